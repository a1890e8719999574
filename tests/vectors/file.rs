//! One vector: how it is written, and how it is held against the core when it is read back.

use jit::core::decide::{Question, Shown, decide};
use jit::core::ledger::{Change, Delta, Fault, NoLog, Status, Verdict, apply, examine};
use jit::core::merkle::leaf_hash;
use jit::core::policy::PolicyFiles;
use jit::core::statement::Line;
use jit::core::view::{Memory, View as _, ViewExt as _};

use crate::support::log::{Log, codes, inert, parse, shown};

/// A file in the making.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    /// Its name, without `.txt`.
    pub(crate) name: String,
    about: String,
    fields: Vec<(&'static str, String)>,
}

impl Vector {
    /// A vector that shows what `about` says.
    pub(crate) fn new(name: &str, about: &str, expect: &str) -> Vector {
        Vector { name: name.to_owned(), about: about.to_owned(), fields: vec![("expect", expect.to_owned())] }
    }

    /// Adds a field.
    pub(crate) fn with(mut self, key: &'static str, value: impl ToString) -> Vector {
        let value = value.to_string();
        assert!(!value.contains('\n'), "{}: a value is one line", self.name);
        self.fields.push((key, value));
        self
    }

    /// One line by itself, and what is expected of it: `ok KIND`, `malformed` or `bad-signature`.
    pub(crate) fn line(name: &str, about: &str, expect: &str, line: &[u8]) -> Vector {
        let (said, facts) = judge_line(line);
        assert_eq!(said, expect, "{name}: {facts:?}");
        let mut vector = Vector::new(name, about, expect);
        for (key, value) in facts {
            vector = vector.with(key, value);
        }
        let (key, value) = spell(line);
        vector.with(key, value)
    }

    /// A log; `expect` is what its last line is worth, unless a [`Vector::check`] follows.
    pub(crate) fn log(name: &str, about: &str, expect: &str, log: &Log) -> Vector {
        let mut vector = Vector::new(name, about, expect).with("genesis", log.genesis());
        for (index, line) in (0..).zip(log.lines()) {
            let (key, value) = spell(line);
            vector = vector.with(key, value).with("verdict", log.verdict(index));
            for (path, text) in log.files(index).into_iter().flat_map(PolicyFiles::iter) {
                let text = std::str::from_utf8(text).expect("files here are text");
                vector = vector.with("file", format!("{path} {}", serde_json::to_string(text).expect("text is JSON")));
            }
        }
        let root = log.view().root().expect("a log has a root");
        let vector = vector.with("size", log.size()).with("root", root);
        vector.ends_as_expected(&log.last())
    }

    /// A question to a gate, and its answer: `subject NAME`, or a token.
    pub(crate) fn check(mut self, log: &Log, asked: &str) -> Vector {
        let answer = answer(log.view(), asked);
        self = self.with("check", asked).with("answer", &answer);
        self.ends_as_expected(&answer)
    }

    /// What is expected.
    pub(crate) fn expect(&self) -> &str {
        self.fields.first().map(|(_, value)| value.as_str()).expect("a vector expects something")
    }

    /// The values of a field, in order.
    pub(crate) fn fields(&self, key: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(other, _)| *other == key).map(|(_, value)| value.as_str())
    }

    /// The last thing said is what is expected; [`Vector::render`] asks.
    fn ends_as_expected(mut self, said: &str) -> Vector {
        self.fields.retain(|(key, _)| *key != "said");
        self.fields.push(("said", said.to_owned()));
        self
    }

    /// The file's text.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("# {}\n", self.about);
        for (key, value) in &self.fields {
            if *key == "said" {
                assert_eq!(value, self.expect(), "{}", self.name);
            } else {
                text.push_str(&format!("{key}: {value}\n"));
            }
        }
        text
    }
}

/// Writes a line's bytes as they are, or in hex where a reader of text might not see or keep them.
fn spell(line: &[u8]) -> (&'static str, String) {
    match std::str::from_utf8(line) {
        Ok(text) if !text.chars().any(|c| c.is_control() || c == '\u{feff}') => ("line", text.to_owned()),
        _ => ("line-hex", line.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

/// What a line is worth by itself, and the facts that go with that.
fn judge_line(line: &[u8]) -> (String, Vec<(&'static str, String)>) {
    let mut facts = vec![("leaf", leaf_hash(line).to_string())];
    if let Ok(read) = Line::parse(line) {
        facts.push(("id", read.id().to_string()));
        facts.push(("key", read.signature().key().to_string()));
        facts.push(("body", read.body_text().to_owned()));
    }
    match examine(line).outcome {
        Ok(signed) => (format!("ok {}", signed.get().body.kind()), facts),
        Err(Fault::Malformed(why)) => {
            facts.insert(0, ("why", why.to_string()));
            ("malformed".to_owned(), facts)
        }
        Err(Fault::Signature(why)) => {
            facts.insert(0, ("why", why.to_string()));
            ("bad-signature".to_owned(), facts)
        }
    }
}

/// Asks `SUBJECT RESOURCE ACTION BIND AUDIENCE at TIME`; the subject is `subject NAME` or `token TEXT`, and a `-` stands
/// for nothing.
fn answer(view: &Memory, asked: &str) -> String {
    let words: Vec<&str> = asked.split(' ').collect();
    let [kind, who, resource, action, bind, audience, "at", now] = words.as_slice() else {
        unreachable!("`{asked}` is no question")
    };
    let given = |text: &'static str, word: &str| if word == text { None } else { Some(word.to_owned()) };
    let (audience, bind) = (given("-", audience), given("-", bind));
    let (resource, action, name) = (parse(resource), parse(action), if *kind == "subject" { *who } else { "nobody" });
    let name = parse(name);
    let shown_by = match *kind {
        "subject" => Shown::Subject(&name),
        _ => Shown::Token { text: who, audience: audience.as_deref() },
    };
    let question =
        Question { resource: &resource, action: &action, bind: bind.map(|bind| parse(&bind)), shown: shown_by };
    shown(&decide(view, &question, parse(now)))
}

/// Holds a file against the core, from its text alone.
pub(crate) fn replay(name: &str, text: &str) {
    let fields: Vec<(&str, &str)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(": ").unwrap_or_else(|| unreachable!("{name}: `{line}` is no field")))
        .collect();
    let (_, expect) = fields.first().expect("a vector expects something");
    let has = |key: &str| fields.iter().any(|(other, _)| *other == key);
    if has("tree") || has("digest") {
        // Held by the code that makes them.
    } else if has("genesis") {
        assert_eq!(replay_log(name, &fields), *expect, "{name}");
    } else {
        replay_line(name, &fields, expect);
    }
}

/// What a line is worth in its log.
fn verdict(delta: &Delta) -> String {
    let against = delta.changes.iter().find_map(|change| match change {
        Change::Request(record) => match &record.status {
            Status::WithoutEffect(reasons) => Some(codes(reasons)),
            Status::Pending | Status::Denied(_) | Status::Complete(_) => None,
        },
        _ => None,
    });
    match &delta.verdict {
        Verdict::Effect => "effect".to_owned(),
        Verdict::WithoutEffect(why) => format!("without effect: {}", against.as_ref().unwrap_or(why)),
        Verdict::Inert(why) => format!("inert: {}", inert(why)),
    }
}

fn bytes_of(key: &str, value: &str) -> Vec<u8> {
    if key == "line" {
        return value.as_bytes().to_vec();
    }
    let (pairs, _) = value.as_bytes().as_chunks::<2>();
    pairs
        .iter()
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .map(|byte| byte.expect("hex is hex"))
        .collect()
}

fn replay_line(name: &str, fields: &[(&str, &str)], expect: &str) {
    let line = fields.iter().find(|(key, _)| key.starts_with("line")).map(|(key, value)| bytes_of(key, value));
    let (said, facts) = judge_line(&line.expect("there is a line"));
    assert_eq!(said, expect, "{name}");
    for (key, value) in facts {
        assert!(fields.contains(&(key, value.as_str())), "{name}: {key}: {value}");
    }
}

/// Folds the lines; returns the last thing said.
fn replay_log(name: &str, fields: &[(&str, &str)]) -> String {
    let mut view = Memory::new();
    let mut said = String::new();
    let mut rest = fields;
    while let Some(((key, value), others)) = rest.split_first() {
        rest = others;
        match *key {
            "line" | "line-hex" => {
                let files = rest.iter().skip(1).take_while(|(key, _)| *key == "file").map(|(_, value)| {
                    let (path, text) = value.split_once(' ').expect("a file has a path and a text");
                    let text: String = serde_json::from_str(text).expect("the text is a JSON string");
                    (path.to_owned(), text.into_bytes())
                });
                let files: Vec<(String, Vec<u8>)> = files.collect();
                let files = (!files.is_empty()).then(|| PolicyFiles::new(files).expect("the files are a policy's"));
                let examined = examine(&bytes_of(key, value));
                match apply(&view, &examined, files.as_ref()) {
                    Ok(delta) => {
                        said = verdict(&delta);
                        view.commit(delta);
                    }
                    Err(NoLog { why }) => said = format!("no log: {why}"),
                }
            }
            "verdict" => assert_eq!(*value, said, "{name}"),
            "check" => said = answer(&view, value),
            "answer" => assert_eq!(*value, said, "{name}"),
            "genesis" => {}
            "size" => assert_eq!(view.size().to_string(), *value, "{name}"),
            "root" => assert_eq!(view.root().map(|root| root.to_string()).as_deref(), Some(*value), "{name}"),
            "expect" | "file" => {}
            other => unreachable!("{name}: the field `{other}` is not known"),
        }
    }
    said
}
