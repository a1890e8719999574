//! What no line may ever undo.

use chrono::TimeDelta;
use jit::core::decide::{Answer, Decision, Question, Shown, decide, stand};
use jit::core::ledger::{
    ApprovalRecord, LockdownRecord, RequestRecord, Status, Verdict, apply, examine, locked_reason,
};
use jit::core::name::{Name, Resource};
use jit::core::reason::Code;
use jit::core::time::{Duration, Timestamp};
use jit::core::view::{Memory, Overlay, View, ViewExt as _};
use proptest::prelude::*;

use crate::histories::{ACTIONS, Mix, PEOPLE, RESOURCES, Said, history, run, start, take};
use crate::support::asked::ask_all;
use crate::support::log::{Log, parse};

const ALL: Mix = Mix { policies: 3, lockdowns: 1, nonsense: 1 };
/// Few policies and lockdowns, so that more is granted before it ends.
const CALM: Mix = Mix { policies: 1, lockdowns: 0, nonsense: 1 };

/// Every question there is, about subjects by name.
pub(crate) fn answers(view: &impl View, now: Timestamp) -> Vec<Decision> {
    let mut answers = Vec::new();
    for subject in PEOPLE {
        for resource in RESOURCES {
            for action in ACTIONS {
                let (subject, resource, action): (Name, Resource, Name) =
                    (parse(subject), parse(resource), parse(action));
                let question =
                    Question { resource: &resource, action: &action, bind: None, shown: Shown::Subject(&subject) };
                answers.push(decide(view, &question, now));
            }
        }
    }
    answers
}

/// The instants at which something about a record changes.
fn corners(record: &RequestRecord) -> Vec<Timestamp> {
    let mut corners = vec![record.at, record.lapses_at()];
    if let Some(grant) = record.grant() {
        corners.extend([grant.live_from, grant.start, grant.end]);
    }
    let around = |time: &Timestamp| [-1, 0, 1].map(|seconds| time.shifted(TimeDelta::seconds(seconds)));
    corners.iter().flat_map(around).collect()
}

fn is_over(view: &Memory, record: &RequestRecord) -> bool {
    matches!(record.status, Status::Denied(_) | Status::WithoutEffect(_))
        || record.revoked.is_some()
        || locked_reason(view, &record.by, &record.request.resource, record.index).is_some()
}

/// What stays of a request when another line is logged.
fn check_step(before: &Memory, after: &Memory) -> Result<(), TestCaseError> {
    for old in &before.requests(None) {
        let new = &after.request(&old.id).expect("a request stays on record");
        let fixed = |record: &RequestRecord| {
            (
                record.index,
                record.leaf,
                record.by.clone(),
                record.key.clone(),
                record.at,
                record.request.clone(),
                record.pending_for,
            )
        };
        prop_assert_eq!(fixed(old), fixed(new));
        // Of one key only what is first and what is shortest is kept.
        for approval in &old.approvals {
            let signer = |other: &&ApprovalRecord| (&other.by, &other.key) == (&approval.by, &approval.key);
            let first = |record: &RequestRecord| record.approvals.iter().find(signer).cloned();
            prop_assert_eq!(first(old), first(new), "a first approval is gone");
            let is_shortest = |other: &ApprovalRecord| other.duration.is_some() && other.duration <= approval.duration;
            let kept = new.approvals.contains(approval);
            prop_assert!(kept || new.approvals.iter().filter(signer).any(is_shortest), "a limit is gone");
        }
        match &old.status {
            Status::Pending => {}
            ended => prop_assert_eq!(ended, &new.status, "what was fixed has moved"),
        }
        if let Some(ending) = &old.revoked {
            prop_assert_eq!(Some(ending), new.revoked.as_ref());
        }
        if is_over(before, old) {
            prop_assert!(is_over(after, new), "what was over is open again");
            for now in corners(new) {
                prop_assert_ne!(stand(after, new, now).answer, Answer::Allow, "what was over is granted");
            }
        }
    }
    for old in &before.lockdowns() {
        let new = &after.lockdown(&old.id).expect("a lockdown stays on record");
        let fixed = |lock: &LockdownRecord| {
            (lock.index, lock.by.clone(), lock.subjects.clone(), lock.resources.clone(), lock.members_then.clone())
        };
        prop_assert_eq!(fixed(old), fixed(new));
        prop_assert!(old.lifted.is_none() || old.lifted == new.lifted);
    }
    let version = |view: &Memory| view.policy_record().map_or(0, |policy| policy.version);
    prop_assert!(
        version(after) == version(before) || version(after) == version(before) + 1,
        "a version is not the next"
    );
    if version(after) == version(before) {
        prop_assert_eq!(before.policy_record(), after.policy_record());
    }
    prop_assert!(before.format_above().is_none() || after.format_above() >= before.format_above());
    for size in 0..=before.size() {
        prop_assert_eq!(before.root_at(size), after.root_at(size));
        prop_assert_eq!(before.policy_at(size), after.policy_at(size));
    }
    Ok(())
}

/// What is true of each grant by itself.
fn check_grants(log: &Log) -> Result<(), TestCaseError> {
    for record in &log.view().requests(None) {
        let Some(grant) = record.grant() else { continue };
        prop_assert!(grant.index >= record.index && !grant.rules.is_empty());
        let people: std::collections::BTreeSet<&Name> = grant.counted.iter().map(|approval| &approval.by).collect();
        prop_assert_eq!(people.len(), grant.counted.len(), "one person counts once");
        prop_assert!(!people.contains(&record.by), "a subject's own approval counts");
        prop_assert!(
            record.by.as_str() != "deployer" || !people.contains(&parse::<Name>("carol")),
            "an owner's counts"
        );
        for approval in &grant.counted {
            prop_assert!(approval.index > record.index && approval.index <= grant.index);
            prop_assert!(
                (record.at..=record.at.after(record.pending_for)).contains(&approval.at),
                "signed out of time"
            );
        }
        let signed = grant.counted.iter().map(|approval| approval.at).fold(record.at, Timestamp::max);
        let start = record.request.not_before.map_or(signed, |time| signed.max(time));
        let shortest = record
            .approvals
            .iter()
            .filter_map(|approval| approval.duration)
            .fold(record.request.duration, Duration::min);
        prop_assert_eq!(grant.start, start);
        prop_assert!(grant.end <= start.after(record.request.duration), "longer than was asked");
        prop_assert!(grant.end >= start.after(shortest), "shorter than anybody signed");
        for now in corners(record) {
            let decision = stand(log.view(), record, now);
            if decision.answer == Answer::Allow {
                prop_assert!(grant.live_from <= now && now < grant.end, "a grant holds outside its window");
                prop_assert!(record.request.not_before.is_none_or(|time| time <= now), "before it was asked for");
                prop_assert!(decision.valid_until.is_some_and(|until| until <= grant.end && now < until));
                prop_assert_eq!(decision.reasons.iter().map(|reason| reason.code).collect::<Vec<_>>(), [Code::Granted]);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::cases(1))]

    #[test]
    fn no_later_line_revives_or_moves_what_was_fixed(steps in prop_oneof![history(ALL, 40), history(CALM, 40)]) {
        let (mut log, mut said) = (start(), Said::default());
        for step in &steps {
            let before = log.view().clone();
            take(&mut log, &mut said, step);
            check_step(&before, log.view())?;
        }
        check_grants(&log)?;
    }

    #[test]
    fn an_inert_line_or_one_without_effect_changes_no_answer(steps in history(ALL, 30)) {
        let (mut log, mut said) = (start(), Said::default());
        for step in &steps {
            let before = log.view().clone();
            let size = log.size();
            take(&mut log, &mut said, step);
            let verdict = log.deltas().last().map(|delta| delta.verdict.clone());
            let now = log.now();
            match verdict {
                _ if log.size() == size => {}
                Some(Verdict::Inert(_)) => {
                    prop_assert_eq!(answers(&before, now), answers(log.view(), now));
                    prop_assert_eq!(before.requests(None), log.view().requests(None));
                }
                Some(Verdict::WithoutEffect(_)) => {
                    // A request without effect adds its reasons, and takes nothing away.
                    let allowed = |view: &Memory| answers(view, now).iter().map(|answer| answer.grant.clone()).collect::<Vec<_>>();
                    prop_assert_eq!(allowed(&before), allowed(log.view()));
                }
                Some(Verdict::Effect) | None => {}
            }
        }
    }

    #[test]
    fn the_fold_of_a_prefix_and_the_rest_is_the_fold_of_the_whole(steps in history(ALL, 25), cut in any::<prop::sample::Index>()) {
        let log = run(&steps);
        let cut = cut.index(log.lines().len() + 1) as u64;
        let mut view = log.refold(cut);
        for index in cut..log.size() {
            let delta = apply(&view, &examine(log.line(index)), log.files(index)).expect("the first line is a genesis");
            prop_assert_eq!(Some(&delta), usize::try_from(index).ok().and_then(|index| log.deltas().get(index)));
            view.commit(delta);
        }
        prop_assert_eq!(view.root(), log.view().root());
        prop_assert_eq!(format!("{view:?}"), format!("{:?}", log.view()));
    }

    #[test]
    fn what_is_new_over_a_view_of_the_rest_answers_as_the_whole(
        steps in prop_oneof![history(ALL, 30), history(CALM, 30)],
        cut in any::<prop::sample::Index>(),
    ) {
        let log = run(&steps);
        let cut = cut.index(log.lines().len() + 1) as u64;
        let mut view = Overlay::over(log.refold(cut));
        for index in cut..log.size() {
            let delta = apply(&view, &examine(log.line(index)), log.files(index)).expect("the first line is a genesis");
            prop_assert_eq!(Some(&delta), usize::try_from(index).ok().and_then(|index| log.deltas().get(index)));
            view.commit(delta);
        }
        let (ids, people) = (log.ids(), PEOPLE.map(parse::<Name>));
        prop_assert_eq!(ask_all(&view, &ids, &people, log.now()), ask_all(log.view(), &ids, &people, log.now()));
        prop_assert_eq!(answers(&view, log.now()), answers(log.view(), log.now()));
    }

    #[test]
    fn a_decision_on_an_old_prefix_never_changes(steps in history(CALM, 25), later in 0..20_000_i64) {
        let (mut log, mut said) = (start(), Said::default());
        let mut decided = Vec::new();
        for step in &steps {
            take(&mut log, &mut said, step);
            let now = log.now().shifted(TimeDelta::seconds(later));
            decided.push((log.size(), now, answers(log.view(), now)));
        }
        for (size, now, then) in decided.iter().step_by(5) {
            prop_assert_eq!(&answers(&log.refold(*size), *now), then);
        }
    }
}

/// Histories that never grant, end or lift anything would prove nothing.
#[test]
fn histories_are_eventful() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let strategy = prop_oneof![history(ALL, 40), history(CALM, 40)];
    let mut counts = std::collections::BTreeMap::<&str, u32>::new();
    for _ in 0..200 {
        let steps = strategy.new_tree(&mut runner).expect("a history").current();
        let log = run(&steps);
        for record in log.view().requests(None) {
            let word = match (&record.status, &record.revoked) {
                (Status::Complete(grant), None) if grant.counted.len() > 1 => "granted by several",
                (Status::Complete(grant), None) if grant.counted.is_empty() => "granted at once",
                (Status::Complete(_), None) => "granted by one",
                (Status::Complete(_), Some(_)) => "grant revoked",
                (Status::Denied(_), _) => "denied",
                (Status::Pending, _) => "pending",
                (Status::WithoutEffect(_), _) => "without effect",
            };
            *counts.entry(word).or_default() += 1;
        }
        for lockdown in log.view().lockdowns() {
            *counts.entry(if lockdown.lifted.is_some() { "lifted" } else { "locked" }).or_default() += 1;
        }
        *counts.entry("later policies").or_default() += u32::try_from(log.policy_version() - 1).unwrap_or(0);
    }
    for word in [
        "granted by several",
        "granted at once",
        "granted by one",
        "grant revoked",
        "denied",
        "pending",
        "locked",
        "lifted",
        "later policies",
    ] {
        assert!(counts.get(word).is_some_and(|count| *count >= 5), "{word}: {counts:?}");
    }
}
