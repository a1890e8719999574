//! Tokens: the lines that prove a grant, and the fresh signature that presents it.
//!
//! A token is `jit1.` and the base64url (no padding) of the request's line, its counted approvals' lines in log order,
//! and last a `presentation` that the subject has just signed, each with its LF. Its lines must equal the log's, byte for
//! byte, none missing or more: the decision comes from the log alone. The presentation, judged as if it came next in the
//! log, shows that the subject's key was there.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::decide::{Answer, Decision, Question, judge};
use super::hash::Hash;
use super::ledger::{Inert, RequestRecord, check_author};
use super::merkle::leaf_hash;
use super::reason::{Code, Reason, merge};
use super::signature::Verified;
use super::statement::{Body, Line, Presentation, Signed, Statement, What};
use super::time::Timestamp;
use super::view::{View, ViewExt};

/// What every token starts with.
pub const PREFIX: &str = "jit1.";
/// The longest token, in bytes of text.
pub const MAX_TOKEN_LEN: usize = 64 * 1024;

/// A token of the right form: lines whose signatures fit, the last one a presentation.
#[derive(Clone, Debug)]
pub struct Token {
    /// The leaf hashes of the lines before the presentation, and the first of them is the request's.
    leaves: Vec<Hash>,
    log: Hash,
    presentation: Verified<Signed>,
}

/// Puts the lines of a grant and a presentation of it together.
pub fn encode<'a>(lines: impl IntoIterator<Item = &'a str>, presentation: &'a Line) -> String {
    let mut bytes = Vec::new();
    for line in lines.into_iter().chain([presentation.as_str()]) {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

impl Token {
    /// Reads a token by itself.
    ///
    /// # Errors
    /// `malformed` for any other form, `bad-signature` where a line's signature does not fit.
    pub fn parse(text: &str) -> Result<Token, Reason> {
        Token::examine(&Packed::open(text)?)
    }

    /// Reads a token, and finds the request that it is about. What it says is what [`Token::parse`] says; but lines that
    /// are the log's, byte for byte, were examined when the log was read, so that only the presentation is left to verify.
    fn parse_beside(view: &impl View, text: &str) -> Result<(Token, Option<Arc<RequestRecord>>), Reason> {
        let packed = Packed::open(text)?;
        if let Some((token, record)) = Token::known_to(view, &packed) {
            return Ok((token, Some(record)));
        }
        let token = Token::examine(&packed)?;
        let record = token.statement().and_then(|(_, presentation)| view.request(&presentation.of));
        Ok((token, record))
    }

    /// Reads a token whose lines are all the log's, none missing or more, and whose presentation's signature fits; none of
    /// any other, of which [`Token::examine`] says what is wrong.
    fn known_to(view: &impl View, packed: &Packed) -> Option<(Token, Arc<RequestRecord>)> {
        let lines = packed.lines();
        let (presentation, lines) = lines.split_last()?;
        let line = Line::parse(presentation).ok()?;
        let Some(What::Presentation(presentation)) = what_of(&line) else { return None };
        let record = view.request(&presentation.of)?;
        let leaves: Vec<Hash> = lines.iter().map(|line| leaf_hash(line)).collect();
        let log = view.genesis()?.id;
        holds_all_of(&leaves, &record).then_some(())?;
        let presentation = line.verify().ok()?;
        Some((Token { leaves, log, presentation }, record))
    }

    /// Reads each line, then verifies each.
    fn examine(packed: &Packed) -> Result<Token, Reason> {
        let lines = packed.lines().into_iter().map(parse).collect::<Result<Vec<Line>, Reason>>()?;
        let [request, approvals @ .., presentation] = lines.as_slice() else {
            return Err(malformed("it holds less than a request and a presentation"));
        };
        let log = match statement_of(request).map(|statement| (&statement.what, statement.log)) {
            Some((What::Request(_), log)) => log,
            Some(_) | None => return Err(malformed("its first line is no request")),
        };
        if !approvals.iter().all(|line| matches!(what_of(line), Some(What::Approval(_)))) {
            return Err(malformed("a line between the request and the presentation is no approval"));
        }
        match what_of(presentation) {
            Some(What::Presentation(presentation)) if presentation.of == request.id() => {}
            Some(What::Presentation(_)) => return Err(malformed("it presents another grant than it holds")),
            Some(_) | None => return Err(malformed("its last line is no presentation")),
        }
        let leaves = lines.iter().rev().skip(1).rev().map(|line| leaf_hash(line.as_str().as_bytes())).collect();
        let mut signed = None;
        for line in lines {
            let bad = |why| Reason::new(Code::BadSignature, format!("a signature in the token: {why}"));
            signed = Some(line.verify().map_err(bad)?);
        }
        let presentation = signed.ok_or_else(|| malformed("it is empty"))?;
        Ok(Token { leaves, log, presentation })
    }

    fn statement(&self) -> Option<(&Statement, &Presentation)> {
        match &self.presentation.get().body {
            Body::Statement(statement) => match &statement.what {
                What::Presentation(presentation) => Some((statement, presentation)),
                _ => None,
            },
            Body::Genesis(_) => None,
        }
    }
}

/// The bytes that a token holds, without the last LF.
struct Packed(Vec<u8>);

impl Packed {
    fn open(text: &str) -> Result<Packed, Reason> {
        if text.len() > MAX_TOKEN_LEN {
            return Err(malformed("it is longer than 64 KiB"));
        }
        let encoded = text.strip_prefix(PREFIX).ok_or_else(|| malformed("it does not start with `jit1.`"))?;
        let mut bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| malformed("it is not canonical base64url"))?;
        if bytes.pop() != Some(b'\n') {
            return Err(malformed("its last line has no end"));
        }
        Ok(Packed(bytes))
    }

    fn lines(&self) -> Vec<&[u8]> {
        self.0.split(|byte| *byte == b'\n').collect()
    }
}

fn malformed(why: &str) -> Reason {
    Reason::new(Code::Malformed, format!("the token is malformed: {why}"))
}

/// Tells whether these lines are a request's and its counted approvals', none missing or more.
fn holds_all_of(leaves: &[Hash], record: &RequestRecord) -> bool {
    let counted = record.grant().map(|grant| grant.counted.as_slice()).unwrap_or_default();
    leaves.iter().eq(std::iter::once(&record.leaf).chain(counted.iter().map(|approval| &approval.leaf)))
}

fn parse(line: &[u8]) -> Result<Line, Reason> {
    Line::parse(line).map_err(|why| Reason::new(Code::Malformed, format!("a line of the token is malformed: {why}")))
}

fn statement_of(line: &Line) -> Option<&Statement> {
    match line.unverified() {
        Body::Statement(statement) => Some(statement),
        Body::Genesis(_) => None,
    }
}

fn what_of(line: &Line) -> Option<&What> {
    statement_of(line).map(|statement| &statement.what)
}

/// Decides by a token, for the gate named `audience`.
pub(super) fn decide(
    view: &impl View,
    text: &str,
    question: &Question<'_>,
    audience: Option<&str>,
    now: Timestamp,
) -> Decision {
    let (token, record) = match Token::parse_beside(view, text) {
        Ok(read) => read,
        Err(reason) => return Decision::deny(reason),
    };
    let (record, statement, presentation) = match hold_against_log(view, &token, record.as_deref()) {
        Ok(found) => found,
        Err(reason) => return Decision::deny(reason),
    };
    if !view.knows(&record.by) {
        // A subject that is gone is all there is to say, whoever presents and for what.
        return judge(view, record, record.request.bind, None, now);
    }
    let mut against = Vec::new();
    let mut demand = |holds: bool, code: Code, text: String| {
        if !holds {
            merge(&mut against, [Reason::new(code, text)]);
        }
    };
    let asked = &record.request;
    demand(asked.resource == *question.resource, Code::WrongResource, format!("the token is for `{}`", asked.resource));
    demand(asked.action == *question.action, Code::WrongAction, format!("the token is for `{}`", asked.action));
    demand(
        presentation.audience.as_deref() == audience,
        Code::WrongAudience,
        "the token is for another gate".to_owned(),
    );
    demand(now < presentation.expires, Code::Expired, format!("the token ended at {}", presentation.expires));
    demand(
        statement.by == record.by,
        Code::WrongKey,
        format!("`{}` presents a grant of `{}`", statement.by, record.by),
    );
    let mut decision = judge(view, record, question.bind, Some(token.presentation.key()), now);
    if against.is_empty() {
        decision.valid_until = decision.valid_until.map(|until| until.min(presentation.expires));
        return decision;
    }
    if decision.answer == Answer::Deny {
        merge(&mut against, decision.reasons);
    }
    Decision { answer: Answer::Deny, reasons: against, grant: None, valid_until: None }
}

/// Holds every line of a token against those of the log, where `record` is the request that it is about.
fn hold_against_log<'a>(
    view: &impl View,
    token: &'a Token,
    record: Option<&'a RequestRecord>,
) -> Result<(&'a RequestRecord, &'a Statement, &'a Presentation), Reason> {
    let genesis = view.genesis().ok_or_else(|| Reason::new(Code::PolicyUnverified, "the log is empty"))?;
    let (statement, presentation) = token.statement().ok_or_else(|| malformed("its last line is no presentation"))?;
    if token.log != genesis.id {
        return Err(Reason::new(Code::WrongLog, format!("the token is of the log {}", token.log)));
    }
    let not_logged = |text: &str| Reason::new(Code::NotLogged, text);
    let record = match record {
        Some(record) if token.leaves.first() == Some(&record.leaf) => record,
        Some(_) | None => {
            return Err(not_logged("the token's request is not in this log, or not yet in this clone of it"));
        }
    };
    if !holds_all_of(&token.leaves, record) {
        return Err(not_logged("the token's approvals are not those that the log counts"));
    }
    check_author(view, statement, token.presentation.key()).map_err(|inert| {
        let code = match &inert {
            Inert::OtherLog(_) | Inert::SeenRoot(_) => Code::WrongLog,
            Inert::UnknownAuthor(_) => Code::UnknownSubject,
            Inert::NotTheirKey(..) => Code::WrongKey,
            Inert::SeenSize(_) => Code::NotLogged,
            Inert::BadSignature(_) => Code::BadSignature,
            Inert::Malformed(_)
            | Inert::SecondGenesis
            | Inert::NoPlace(_)
            | Inert::Of(_)
            | Inert::OtherPolicy(_)
            | Inert::Repeated(_) => Code::Malformed,
        };
        Reason::new(code, format!("the token's presentation: {inert}"))
    })?;
    Ok((record, statement, presentation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::statement::MAX_LINE_LEN;
    use crate::core::testing::{Key, bodies};

    /// The `of` of the bodies.
    fn of() -> String {
        "e".repeat(64)
    }

    fn request() -> Line {
        Key::plain(1).line(bodies::REQUEST)
    }

    /// A line of another body, about the request.
    fn about(body: &str, seed: u8) -> Line {
        assert_eq!(body.matches(&of()).count(), 1);
        Key::plain(seed).line(&body.replace(&of(), &request().id().to_string()))
    }

    fn pack(bytes: impl AsRef<[u8]>) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    fn code(text: &str) -> Option<Code> {
        Token::parse(text).err().map(|reason| reason.code)
    }

    fn good() -> String {
        let approval = about(bodies::APPROVAL, 2);
        encode([request().as_str(), approval.as_str()], &about(bodies::PRESENTATION, 1))
    }

    #[test]
    fn a_token_reads_with_any_number_of_approvals() {
        let (request, approval, presentation) = (request(), about(bodies::APPROVAL, 2), about(bodies::PRESENTATION, 1));
        for count in 0..4 {
            let lines = std::iter::once(request.as_str()).chain(std::iter::repeat_n(approval.as_str(), count));
            let token = Token::parse(&encode(lines, &presentation)).unwrap();
            let leaf = |line: &Line| leaf_hash(line.as_str().as_bytes());
            let expected: Vec<Hash> =
                std::iter::once(leaf(&request)).chain(std::iter::repeat_n(leaf(&approval), count)).collect();
            assert_eq!(token.leaves, expected);
            assert_eq!(token.log, "a".repeat(64).parse().unwrap());
            assert_eq!(token.presentation.get().id, presentation.id());
        }
    }

    #[test]
    fn what_is_no_token() {
        let (request, approval, presentation) = (request(), about(bodies::APPROVAL, 2), about(bodies::PRESENTATION, 1));
        let [request, approval, presentation] = [&request, &approval, &presentation].map(Line::as_str);
        let genesis = Key::plain(1).line(&bodies::genesis());
        let other_grant = Key::plain(1).line(bodies::PRESENTATION);
        let lift = about(bodies::LIFT, 1);
        let lines = |lines: &[&str]| pack(lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        assert_eq!(code(&lines(&[request, approval, presentation])), None);
        for (what, text) in [
            ("nothing", pack("")),
            ("an empty line", pack("\n")),
            ("one line", lines(&[presentation])),
            ("no presentation", lines(&[request, approval])),
            ("no request", lines(&[approval, presentation])),
            ("a genesis first", lines(&[genesis.as_str(), presentation])),
            ("a genesis last", lines(&[request, genesis.as_str()])),
            ("a genesis between", lines(&[request, genesis.as_str(), presentation])),
            ("a lift between", lines(&[request, lift.as_str(), presentation])),
            ("two requests", lines(&[request, request, presentation])),
            ("two presentations", lines(&[request, presentation, presentation])),
            ("the presentation first", lines(&[presentation, request, approval])),
            ("a presentation of another grant", lines(&[request, approval, other_grant.as_str()])),
            ("an empty line between", lines(&[request, "", approval, presentation])),
            ("an empty line at the end", lines(&[request, approval, presentation, ""])),
            ("an empty line at the start", lines(&["", request, approval, presentation])),
            ("CRLF", lines(&[&format!("{request}\r"), approval, presentation])),
            ("no end of the last line", pack(format!("{request}\n{approval}\n{presentation}"))),
            ("a space", lines(&[&request.replace("\"seen\":", "\"seen\": "), approval, presentation])),
            ("bytes that are no text", pack([request.as_bytes(), b"\xed\xa0\x80\n"].concat())),
            ("a line too long", lines(&[&"a".repeat(MAX_LINE_LEN + 1), presentation])),
        ] {
            assert_eq!(code(&text), Some(Code::Malformed), "{what}");
        }
    }

    #[test]
    fn a_token_has_one_spelling() {
        let good = good();
        let encoded = good.strip_prefix(PREFIX).unwrap();
        assert_eq!(code(&good), None);
        let with_length = |rest: usize| {
            // A reason makes the bytes longer one by one, so that each number of loose bits is met.
            let body = bodies::REQUEST.replace("INC", &"I".repeat(3 + rest));
            let request = Key::plain(1).line(&body);
            let presentation = bodies::PRESENTATION.replace(&of(), &request.id().to_string());
            encode([request.as_str()], &Key::plain(1).line(&presentation))
        };
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut loose = 0;
        for rest in 0..3 {
            let token = with_length(rest);
            assert_eq!(code(&token), None);
            let last = alphabet.find(token.chars().last().unwrap()).unwrap();
            if token.strip_prefix(PREFIX).unwrap().len() % 4 != 0 {
                loose += 1;
                let next = alphabet.chars().nth(last + 1).unwrap();
                assert_eq!(code(&format!("{}{next}", &token[..token.len() - 1])), Some(Code::Malformed));
            }
            for pad in ["=", "=="] {
                assert_eq!(code(&format!("{token}{pad}")), Some(Code::Malformed));
            }
        }
        assert_eq!(loose, 2);
        for text in [
            String::new(),
            PREFIX.to_owned(),
            encoded.to_owned(),
            format!("jit2.{encoded}"),
            format!("JIT1.{encoded}"),
            format!("jit1{encoded}"),
            format!("jit1.{good}"),
            format!(" {good}"),
            format!("{good}\n"),
            format!("{good} "),
            format!("{good}A"),
            format!("jit1. {encoded}"),
            format!("jit1.{}+{}", &encoded[..80], &encoded[81..]),
            format!("jit1.{}/{}", &encoded[..80], &encoded[81..]),
            format!("jit1.{}\n{}", &encoded[..80], &encoded[80..]),
            format!("jit1.{}é", &encoded[..80]),
        ] {
            assert_eq!(code(&text), Some(Code::Malformed), "{text}");
        }
    }

    #[test]
    fn a_token_ends_at_its_limit() {
        let (request, approval, presentation) = (request(), about(bodies::APPROVAL, 2), about(bodies::PRESENTATION, 1));
        let most = (1..).find(|count| sized(*count, &request, &approval, &presentation).len() > MAX_TOKEN_LEN).unwrap();
        assert_eq!(code(&sized(most - 1, &request, &approval, &presentation)), None);
        let over = Token::parse(&sized(most, &request, &approval, &presentation)).unwrap_err();
        assert!(over.code == Code::Malformed && over.message.contains("64 KiB"), "{over:?}");
        let over = Token::parse(&"\u{7f}".repeat(MAX_TOKEN_LEN + 1)).unwrap_err();
        assert!(over.message.contains("64 KiB"), "{over:?}");
        let at = Token::parse(&"\u{7f}".repeat(MAX_TOKEN_LEN)).unwrap_err();
        assert!(!at.message.contains("64 KiB"), "{at:?}");
    }

    fn sized(count: usize, request: &Line, approval: &Line, presentation: &Line) -> String {
        encode(std::iter::once(request.as_str()).chain(std::iter::repeat_n(approval.as_str(), count)), presentation)
    }

    #[test]
    fn each_signature_has_to_fit() {
        let lines = [request(), about(bodies::APPROVAL, 2), about(bodies::PRESENTATION, 1)];
        let other = Key::plain(1).sign(b"something else");
        for at in 0..lines.len() {
            let mut lines = lines.clone();
            lines[at] = Line::new(lines[at].body_text(), &other).unwrap();
            let [request, approval, presentation] = &lines;
            let token = encode([request.as_str(), approval.as_str()], presentation);
            assert_eq!(code(&token), Some(Code::BadSignature), "line {at}");
        }
    }

    #[test]
    fn any_changed_character_is_refused() {
        let good = good();
        assert_eq!(code(&good), None);
        for at in 0..good.len() {
            let old = good.as_bytes()[at];
            // The next digit of the alphabet changes the fewest bits; the other is far away, or none of the alphabet.
            for new in [old ^ 1, old ^ 0x20] {
                let mut changed = good.clone().into_bytes();
                changed[at] = new;
                let changed = String::from_utf8(changed).unwrap();
                assert!(matches!(code(&changed), Some(Code::Malformed | Code::BadSignature)), "character {at}");
            }
        }
        for at in 0..good.len() {
            assert!(code(&good[..at]).is_some(), "the first {at} characters");
        }
    }
}
