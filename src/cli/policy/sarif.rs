//! Findings as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), which code-review pages show beside the
//! lines that they are about.
//!
//! Only what is needed of the format is written: one run, the rules that `jit policy lint` knows, and one result each
//! finding. Paths are relative to the work tree of git, since that is what such pages go by; columns count Unicode
//! characters, as everywhere else.

use std::path::Path;

use serde::Serialize;

use crate::core::policy::{Check, Diagnostic, Kind, PolicyFiles, Severity};

const VERSION: &str = "2.1.0";
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// A whole file.
#[derive(Serialize)]
pub(super) struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<Found>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Looked>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Looked {
    id: &'static str,
    short_description: Text,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    rule_id: &'static str,
    rule_index: usize,
    level: Severity,
    message: Text,
    locations: [Location; 1],
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: Artifact,
    /// None of what is about a file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

/// Returns the findings about `files`, whose paths are below `prefix`.
pub(super) fn log(files: &PolicyFiles, findings: &[Diagnostic], prefix: &str) -> Log {
    let kinds = kinds();
    let results = findings.iter().map(|finding| {
        let id = finding.kind.id();
        let help = finding.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        Found {
            rule_id: id,
            rule_index: kinds.iter().position(|kind| kind.id() == id).unwrap_or_default(),
            level: finding.severity,
            message: Text { text: format!("{}{help}", finding.message) },
            locations: [Location {
                physical_location: PhysicalLocation {
                    artifact_location: Artifact { uri: uri(&format!("{prefix}{}", finding.path)) },
                    region: region(files, finding),
                },
            }],
        }
    });
    let rules =
        kinds.iter().map(|kind| Looked { id: kind.id(), short_description: Text { text: kind.about().to_owned() } });
    let driver = Driver { name: "jit", semantic_version: env!("CARGO_PKG_VERSION"), rules: rules.collect() };
    Log {
        schema: SCHEMA,
        version: VERSION,
        runs: [Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results: results.collect() }],
    }
}

/// Returns what stands before the paths of the policy's files: where their folder is in the work tree.
pub(super) fn prefix(work_tree: Option<&Path>, folder: &Path) -> String {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let below = work_tree.and_then(|tree| whole(folder).strip_prefix(whole(tree)).map(Path::to_owned).ok());
    let names = below.iter().flat_map(|path| path.iter()).map(|name| format!("{}/", name.to_string_lossy()));
    names.collect()
}

/// Returns all kinds of findings there can be, one each id.
fn kinds() -> Vec<Kind> {
    let looks = Check::ALL.into_iter().map(Kind::Look);
    [Kind::Fault, Kind::UnsupportedFormat(0)].into_iter().chain(looks).collect()
}

/// Returns the place of a finding; the end stands after the last character, and at a line's end where a finding goes on.
fn region(files: &PolicyFiles, finding: &Diagnostic) -> Option<Region> {
    let span = finding.span.as_ref()?;
    let text = files.get(&finding.path).map(String::from_utf8_lossy).unwrap_or_default();
    let fault = text.get(span.bytes.clone()).unwrap_or_default();
    let on_line = fault.lines().next().unwrap_or_default().chars().count();
    Some(Region {
        start_line: span.line,
        start_column: span.column,
        end_line: span.line,
        end_column: span.column + on_line.max(1),
    })
}

/// Writes a path as a relative reference (RFC 3986): bytes that are not plain there are written as `%` and two digits.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_file() {
        let text = "# é\n[rule.é] # x\n";
        let files = PolicyFiles::new([("policies/x.toml".to_owned(), text.as_bytes().to_vec())]).unwrap();
        let errors = crate::core::policy::load(&files).unwrap_err();
        let log = serde_json::to_value(log(&files, &errors, "a b/")).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap();
        let place = |found: &serde_json::Value| found["locations"][0]["physicalLocation"].clone();
        let faults: Vec<_> = results.iter().map(place).filter(|place| place.get("region").is_some()).collect();
        assert_eq!(
            faults[0],
            serde_json::json!({
                "artifactLocation": { "uri": "a%20b/policies/x.toml" },
                "region": { "startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 8 },
            })
        );
        for found in results {
            let (index, id) = (found["ruleIndex"].as_u64().unwrap(), &found["ruleId"]);
            assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][usize::try_from(index).unwrap()]["id"], *id);
        }
    }

    #[test]
    fn every_kind_has_an_id_of_its_own() {
        let kinds = kinds();
        let ids: std::collections::BTreeSet<&str> = kinds.iter().map(|kind| kind.id()).collect();
        assert_eq!(ids.len(), kinds.len());
    }
}
