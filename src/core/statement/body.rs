//! Bodies: reading one, and writing it in the form that is signed.

use std::fmt::Write as _;

use super::canonical::{Malformed, Reader, write_string};
use super::{
    Approval, Body, Checkpoint, Founder, Genesis, Lift, Lockdown, PolicyProposal, Presentation, Request, Revocation,
    Seen, Statement, Verdict, What,
};
use crate::core::key::PublicKey;
use crate::core::name::Name;
use crate::core::time::Timestamp;

/// The keys that every statement but a genesis starts with.
const HEAD: [&str; 7] = ["v", "type", "log", "by", "at", "seen", "nonce"];

/// Reads one body, from its `{` to its `}`.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Body, Malformed> {
    reader.expect("{\"v\":")?;
    let v = reader.number()?;
    reader.expect(",\"type\":")?;
    let kind = reader.name()?;
    let body = match (v, kind.as_str()) {
        (1, "genesis") => Body::Genesis(read_genesis(reader)?),
        _ => Body::Statement(read_statement(reader, v, kind)?),
    };
    reader.expect("}")?;
    Ok(body)
}

fn read_genesis(reader: &mut Reader<'_>) -> Result<Genesis, Malformed> {
    reader.key("by")?;
    let by = reader.name()?;
    reader.key("at")?;
    let at = reader.time()?;
    reader.key("nonce")?;
    let nonce = reader.hex()?;
    reader.key("name")?;
    let name = reader.name()?;
    reader.key("maintainers")?;
    let start = reader.at();
    let maintainers = reader.list(read_founder)?;
    let mut others = maintainers.iter();
    while let Some(founder) = others.next() {
        // A point may belong to one identity only, so two keys over one point are no more distinct than one.
        if others.clone().any(|other| other.name == founder.name || other.key.point() == founder.key.point()) {
            return Err(Malformed { at: start, expected: "distinct names and keys".to_owned() });
        }
    }
    reader.key("threshold")?;
    let start = reader.at();
    let threshold = reader.number()?;
    if threshold == 0 || threshold > maintainers.len() as u64 {
        return Err(Malformed { at: start, expected: "1 to the number of maintainers".to_owned() });
    }
    Ok(Genesis { by, at, nonce, name, maintainers, threshold })
}

fn read_founder(reader: &mut Reader<'_>) -> Result<Founder, Malformed> {
    reader.expect("{\"name\":")?;
    let name = reader.name()?;
    reader.key("key")?;
    let start = reader.at();
    let key = PublicKey::parse_canonical(&reader.string()?)
        .map_err(|why| Malformed { at: start, expected: format!("a key: {why}") })?;
    reader.expect("}")?;
    Ok(Founder { name, key })
}

fn read_statement(reader: &mut Reader<'_>, v: u64, kind: Name) -> Result<Statement, Malformed> {
    reader.key("log")?;
    let log = reader.hash()?;
    reader.key("by")?;
    let by = reader.name()?;
    reader.key("at")?;
    let at = reader.time()?;
    reader.expect(",\"seen\":{\"size\":")?;
    let size = reader.number()?;
    reader.key("root")?;
    let root = reader.hash()?;
    reader.expect("}")?;
    reader.key("nonce")?;
    let nonce = reader.hex()?;
    let what = read_what(reader, v, kind)?;
    Ok(Statement { log, by, at, seen: Seen { size, root }, nonce, what })
}

fn read_what(reader: &mut Reader<'_>, v: u64, kind: Name) -> Result<What, Malformed> {
    Ok(match (v, kind.as_str()) {
        (1, "policy") => What::Policy(PolicyProposal {
            version: field(reader, "version", Reader::number)?,
            format: field(reader, "format", Reader::number)?,
            commit: field(reader, "commit", Reader::hex)?,
            digest: field(reader, "digest", Reader::hash)?,
        }),
        (1, "request") => What::Request(Request {
            policy: field(reader, "policy", Reader::hash)?,
            resource: field(reader, "resource", |reader| reader.parsed("a resource"))?,
            action: field(reader, "action", Reader::name)?,
            duration: field(reader, "duration", Reader::duration)?,
            not_before: field(reader, "not_before", |reader| reader.optional(Reader::time))?,
            bind: field(reader, "bind", |reader| {
                reader.optional(|reader| reader.parsed("`sha256:` and 64 lower-case hex digits"))
            })?,
            reason: field(reader, "reason", Reader::text)?,
        }),
        (1, "approval") => What::Approval(Approval {
            of: field(reader, "of", Reader::hash)?,
            verdict: read_verdict(reader)?,
            comment: field(reader, "comment", Reader::text)?,
        }),
        (1, "revocation") => What::Revocation(Revocation {
            of: field(reader, "of", Reader::hash)?,
            reason: field(reader, "reason", Reader::text)?,
        }),
        (1, "lockdown") => What::Lockdown(Lockdown {
            subjects: field(reader, "subjects", |reader| {
                reader.list(|reader| reader.parsed("a name, `group:` and a name, or `*`"))
            })?,
            resources: field(reader, "resources", |reader| reader.list(|reader| reader.parsed("a pattern")))?,
            reason: field(reader, "reason", Reader::text)?,
        }),
        (1, "lift") => {
            What::Lift(Lift { of: field(reader, "of", Reader::hash)?, reason: field(reader, "reason", Reader::text)? })
        }
        (1, "presentation") => What::Presentation(Presentation {
            of: field(reader, "of", Reader::hash)?,
            audience: field(reader, "audience", |reader| reader.optional(Reader::text))?,
            expires: field(reader, "expires", Reader::time)?,
        }),
        (1, "checkpoint") => What::Checkpoint(Checkpoint {
            size: field(reader, "size", Reader::number)?,
            root: field(reader, "root", Reader::hash)?,
        }),
        _ => {
            reader.skip_fields(&HEAD)?;
            What::Unknown { v, kind }
        }
    })
}

fn read_verdict(reader: &mut Reader<'_>) -> Result<Verdict, Malformed> {
    reader.key("verdict")?;
    if reader.take("\"approve\"") {
        let duration = field(reader, "duration", |reader| reader.optional(Reader::duration))?;
        return Ok(Verdict::Approve(duration));
    }
    if reader.take("\"deny\"") {
        // A denial for some time means nothing.
        reader.expect(",\"duration\":null")?;
        return Ok(Verdict::Deny);
    }
    reader.fail("`\"approve\"` or `\"deny\"`")
}

fn field<'a, T>(
    reader: &mut Reader<'a>,
    key: &str,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    reader.key(key)?;
    read(reader)
}

/// Writes a body in the form that is signed.
///
/// The caller has checked free text by [`super::is_text`] and numbers against [`super::MAX_NUMBER`]: what breaks them is
/// written all the same and does not read back. An [`What::Unknown`] is written without its unknown fields.
pub fn encode(body: &Body) -> String {
    let mut out = Writer::default();
    match body {
        Body::Genesis(genesis) => write_genesis(&mut out, genesis),
        Body::Statement(statement) => write_statement(&mut out, statement),
    }
    out.text.push('}');
    out.text
}

/// Writes an object field by field.
#[derive(Default)]
struct Writer {
    text: String,
}

impl Writer {
    fn key(&mut self, key: &str) {
        let before = if self.text.is_empty() { '{' } else { ',' };
        let _ = write!(self.text, "{before}\"{key}\":");
    }

    fn string(&mut self, key: &str, value: &str) {
        self.key(key);
        write_string(&mut self.text, value);
    }

    fn shown(&mut self, key: &str, value: impl std::fmt::Display) {
        self.string(key, &value.to_string());
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = write!(self.text, "{value}");
    }

    fn optional(&mut self, key: &str, value: Option<String>) {
        match value {
            Some(value) => self.string(key, &value),
            None => {
                self.key(key);
                self.text.push_str("null");
            }
        }
    }

    fn hex(&mut self, key: &str, bytes: &[u8]) {
        self.string(key, &bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }

    fn list<T>(&mut self, key: &str, values: &[T], mut write: impl FnMut(&mut String, &T)) {
        self.key(key);
        self.text.push('[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            write(&mut self.text, value);
        }
        self.text.push(']');
    }

    fn head(&mut self, v: u64, kind: &str) {
        self.number("v", v);
        self.string("type", kind);
    }

    fn author(&mut self, by: &Name, at: Timestamp) {
        self.shown("by", by);
        self.shown("at", at);
    }
}

fn write_genesis(out: &mut Writer, genesis: &Genesis) {
    out.head(1, "genesis");
    out.author(&genesis.by, genesis.at);
    out.hex("nonce", &genesis.nonce);
    out.shown("name", &genesis.name);
    out.list("maintainers", &genesis.maintainers, |text, founder| {
        let mut inner = Writer::default();
        inner.shown("name", &founder.name);
        inner.shown("key", &founder.key);
        text.push_str(&inner.text);
        text.push('}');
    });
    out.number("threshold", genesis.threshold);
}

fn write_statement(out: &mut Writer, statement: &Statement) {
    let v = if let What::Unknown { v, .. } = &statement.what { *v } else { 1 };
    out.head(v, statement.what.kind());
    out.shown("log", statement.log);
    out.author(&statement.by, statement.at);
    let mut seen = Writer::default();
    seen.number("size", statement.seen.size);
    seen.shown("root", statement.seen.root);
    out.key("seen");
    out.text.push_str(&seen.text);
    out.text.push('}');
    out.hex("nonce", &statement.nonce);
    match &statement.what {
        What::Policy(policy) => {
            out.number("version", policy.version);
            out.number("format", policy.format);
            out.hex("commit", &policy.commit);
            out.shown("digest", policy.digest);
        }
        What::Request(request) => {
            out.shown("policy", request.policy);
            out.shown("resource", &request.resource);
            out.shown("action", &request.action);
            out.number("duration", u64::from(request.duration.as_secs()));
            out.optional("not_before", request.not_before.map(|time| time.to_string()));
            out.optional("bind", request.bind.map(|bind| bind.to_string()));
            out.string("reason", &request.reason);
        }
        What::Approval(approval) => {
            out.shown("of", approval.of);
            let (verdict, duration) = match approval.verdict {
                Verdict::Approve(duration) => ("approve", duration),
                Verdict::Deny => ("deny", None),
            };
            out.string("verdict", verdict);
            match duration {
                Some(duration) => out.number("duration", u64::from(duration.as_secs())),
                None => out.optional("duration", None),
            }
            out.string("comment", &approval.comment);
        }
        What::Revocation(revocation) => {
            out.shown("of", revocation.of);
            out.string("reason", &revocation.reason);
        }
        What::Lockdown(lockdown) => {
            out.list("subjects", &lockdown.subjects, |text, subject| write_string(text, &subject.to_string()));
            out.list("resources", &lockdown.resources, |text, pattern| write_string(text, pattern.as_str()));
            out.string("reason", &lockdown.reason);
        }
        What::Lift(lift) => {
            out.shown("of", lift.of);
            out.string("reason", &lift.reason);
        }
        What::Presentation(presentation) => {
            out.shown("of", presentation.of);
            out.optional("audience", presentation.audience.clone());
            out.shown("expires", presentation.expires);
        }
        What::Checkpoint(checkpoint) => {
            out.number("size", checkpoint.size);
            out.shown("root", checkpoint.root);
        }
        What::Unknown { .. } => {}
    }
}
