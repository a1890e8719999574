//! The results of `jit policy test` as JUnit XML: a suite for each file, a case for each case and assertion.

use std::collections::BTreeMap;
use std::path::Path;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::Tested;
use crate::cli::context::shown;
use crate::cli::exit::Failure;
use crate::edge::report;

/// Writes the results to a file.
pub(super) fn write(path: &Path, tested: &[Tested]) -> anyhow::Result<()> {
    let text = report(tested).to_string().map_err(|why| Failure::unavailable(format!("no JUnit XML: {why}")))?;
    report::write(path, &text)
        .map_err(|why| Failure::unavailable(format!("can't write `{}`: {why}", shown(path))).into())
}

fn report(tested: &[Tested]) -> Report {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for one in tested {
        let file = one.path.as_deref().unwrap_or("tests/");
        let mut status = TestCaseStatus::success();
        if !one.ok {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(one.faults.first().map(String::as_str).unwrap_or_default());
            status.set_description(one.shown.join("\n"));
        }
        let mut case = TestCase::new(one.name.as_str(), status);
        case.set_classname(one.kind);
        let place = one.line.map(|line| [("file", file.to_owned()), ("line", line.to_string())]);
        case.extra.extend(place.into_iter().flatten().map(|(key, value)| (key.into(), value.into())));
        suites.entry(file).or_insert_with(|| TestSuite::new(file)).add_test_case(case);
    }
    let mut report = Report::new("jit policy test");
    report.add_test_suites(suites.into_values());
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(name: &str, faults: &[&str]) -> Tested {
        let faults: Vec<String> = faults.iter().map(|fault| (*fault).to_owned()).collect();
        Tested {
            name: name.to_owned(),
            kind: "test",
            ok: faults.is_empty(),
            shown: faults.clone(),
            faults,
            path: Some("tests/x.toml".to_owned()),
            line: Some(7),
        }
    }

    #[test]
    fn what_xml_may_not_hold_is_not_there() {
        let nasty = "a]]>\u{0}\u{1b}[2J<b> & \"c\"";
        let text = report(&[tested("good", &[]), tested("bad", &[nasty])]).to_string().unwrap();
        assert!(
            text.contains(
                "<testsuites name=\"jit policy test\" tests=\"2\" skipped=\"0\" failures=\"1\" errors=\"0\">"
            ),
            "{text}"
        );
        assert!(
            text.contains("<testcase name=\"good\" classname=\"test\" file=\"tests/x.toml\" line=\"7\"/>"),
            "{text}"
        );
        assert!(!text.contains(['\u{0}', '\u{1b}']) && !text.contains("<b>") && text.contains("&lt;b&gt;"), "{text}");
    }
}
