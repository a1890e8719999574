//! The form of `--json` answers: which keys, of which type, and which may be null.

use serde_json::Value;

/// What a value looks like.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// One of these texts.
    Word(&'static [&'static str]),
    /// A whole id, root or digest: 64 digits of hex.
    Id,
    /// A commit: 40 digits of hex.
    Commit,
    /// An instant in RFC 3339 UTC.
    Time,
    /// `sha256:` and 64 digits of hex.
    Bind,
    /// A whole number from 0.
    Number,
    /// Yes or no.
    Bool,
    /// This, or null.
    OrNull(Box<Shape>),
    /// Any number of these.
    List(Box<Shape>),
    /// Texts as keys, and these.
    Map(Box<Shape>),
    /// Whatever there is.
    Any,
    /// Exactly these keys.
    Object(Vec<(&'static str, Shape)>),
}

pub(crate) fn or_null(shape: Shape) -> Shape {
    Shape::OrNull(Box::new(shape))
}

pub(crate) fn list(shape: Shape) -> Shape {
    Shape::List(Box::new(shape))
}

pub(crate) fn object(keys: &[(&'static str, Shape)]) -> Shape {
    Shape::Object(keys.to_vec())
}

/// An object with the keys of another (an object too), and more, or others in their place.
pub(crate) fn with(shape: Shape, more: &[(&'static str, Shape)]) -> Shape {
    match shape {
        Shape::Object(mut keys) => {
            keys.retain(|(key, _)| more.iter().all(|(other, _)| other != key));
            Shape::Object(keys.into_iter().chain(more.iter().cloned()).collect())
        }
        other => panic!("no object: {other:?}"),
    }
}

pub(crate) fn reasons() -> Shape {
    list(object(&[("code", Shape::Text), ("message", Shape::Text)]))
}

pub(crate) fn grant() -> Shape {
    object(&[
        ("id", Shape::Id),
        ("subject", Shape::Text),
        ("resource", Shape::Text),
        ("action", Shape::Text),
        ("bind", or_null(Shape::Bind)),
        ("reason", Shape::Text),
        ("rule", Shape::Text),
        ("starts", Shape::Time),
        ("expires", Shape::Time),
        ("approved_by", list(Shape::Text)),
    ])
}

pub(crate) fn needs() -> Shape {
    list(object(&[
        ("rule", Shape::Text),
        ("from", list(Shape::Text)),
        ("count", Shape::Number),
        ("have", list(Shape::Text)),
    ]))
}

pub(crate) fn policy() -> Shape {
    object(&[("id", Shape::Id), ("version", Shape::Number), ("digest", Shape::Id)])
}

pub(crate) fn decision() -> Shape {
    Shape::Word(&["allow", "pending", "deny"])
}

/// A request that is logged.
pub(crate) fn request() -> Shape {
    let approval = object(&[
        ("id", Shape::Id),
        ("by", Shape::Text),
        ("at", Shape::Time),
        ("duration_s", or_null(Shape::Number)),
        ("comment", Shape::Text),
        ("counted", Shape::Bool),
    ]);
    object(&[
        ("id", Shape::Id),
        ("index", Shape::Number),
        ("subject", Shape::Text),
        ("key", Shape::Text),
        ("at", Shape::Time),
        ("policy", Shape::Id),
        ("resource", Shape::Text),
        ("action", Shape::Text),
        ("duration_s", Shape::Number),
        ("not_before", or_null(Shape::Time)),
        ("bind", or_null(Shape::Bind)),
        ("reason", Shape::Text),
        ("lapses_at", Shape::Time),
        ("approvals", list(approval)),
        ("revoked", or_null(object(&[("by", Shape::Text), ("at", Shape::Time), ("reason", Shape::Text)]))),
    ])
}

/// The form of every failure.
pub(crate) fn error() -> Shape {
    let body = object(&[("code", or_null(Shape::Text)), ("message", Shape::Text), ("help", or_null(Shape::Text))]);
    object(&[("error", body)])
}

/// Demands that a value has a form.
#[track_caller]
pub(crate) fn assert_shape(value: &Value, shape: &Shape) {
    if let Err(why) = check(value, shape, "") {
        panic!("{why}, in {value}");
    }
}

fn check(value: &Value, shape: &Shape, at: &str) -> Result<(), String> {
    let is_hex = |text: &str, len| text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let fits = match (shape, value) {
        (Shape::Any, _) => true,
        (Shape::Text, Value::String(_)) | (Shape::Bool, Value::Bool(_)) | (Shape::OrNull(_), Value::Null) => true,
        (Shape::Word(words), Value::String(text)) => words.contains(&text.as_str()),
        (Shape::Id, Value::String(text)) => is_hex(text, 64),
        (Shape::Commit, Value::String(text)) => is_hex(text, 40),
        (Shape::Bind, Value::String(text)) => text.strip_prefix("sha256:").is_some_and(|hex| is_hex(hex, 64)),
        (Shape::Time, Value::String(text)) => {
            text.ends_with('Z') && text.len() == 20 && chrono::DateTime::parse_from_rfc3339(text).is_ok()
        }
        (Shape::Number, Value::Number(number)) => number.is_u64(),
        (Shape::OrNull(inner), value) => return check(value, inner, at),
        (Shape::List(inner), Value::Array(items)) => {
            return items.iter().enumerate().try_for_each(|(i, item)| check(item, inner, &format!("{at}[{i}]")));
        }
        (Shape::Map(inner), Value::Object(map)) => {
            return map.iter().try_for_each(|(key, item)| check(item, inner, &format!("{at}.{key}")));
        }
        (Shape::Object(keys), Value::Object(map)) => {
            let mut wanted: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
            wanted.sort_unstable();
            let found: Vec<&str> = map.keys().map(String::as_str).collect();
            if wanted != found {
                return Err(format!("{at} has the keys {found:?}, not {wanted:?}"));
            }
            return keys.iter().try_for_each(|(key, inner)| check(&map[*key], inner, &format!("{at}.{key}")));
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("{at} is {value}, not {shape:?}")) }
}

#[test]
fn other_forms_are_told_apart() {
    let shape = object(&[("id", Shape::Id), ("at", or_null(Shape::Time)), ("list", list(Shape::Number))]);
    let id = "0".repeat(64);
    let table = [
        (serde_json::json!({"id": id, "at": null, "list": []}), true),
        (serde_json::json!({"id": id, "at": "2026-11-24T08:30:00Z", "list": [1]}), true),
        (serde_json::json!({"id": id, "at": "2026-11-24T08:30:00+00:00", "list": [1]}), false),
        (serde_json::json!({"id": id, "at": null, "list": ["1"]}), false),
        (serde_json::json!({"id": id, "at": null}), false),
        (serde_json::json!({"id": id, "at": null, "list": [], "more": 1}), false),
        (serde_json::json!({"id": null, "at": null, "list": []}), false),
        (serde_json::json!({"id": "0".repeat(63), "at": null, "list": []}), false),
    ];
    for (value, fits) in table {
        assert_eq!(check(&value, &shape, "").is_ok(), fits, "{value}");
    }
}
