//! A history of any size, as benches and long tests make it, is honest: every line of it has an effect, and there is live
//! at its end what was asked for.

use std::process::Command;

use jit::core::decide::{Answer, Question, Shown, decide};
use jit::core::history::chain::Rules;
use jit::core::ledger::{apply, examine};
use jit::core::name::{Name, Resource};
use jit::core::statement::policy_digest;
use jit::core::view::{Memory, View as _, ViewExt as _};
use jit::edge::git::Repo;
use jit::edge::log::{BRANCH, walk};
use jit::edge::replay::replay;

use crate::support::history::Importer;
use crate::support::log::parse;
use crate::support::scale::{ACTION, Made, Plan, RESOURCE, SUBJECT};

fn check(plan: &Plan, per_commit: u64) -> Made {
    let folder = tempfile::tempdir().expect("a folder");
    let made_by_git = Command::new("git").args(["init", "-q", "--bare"]).arg(folder.path()).status();
    assert!(made_by_git.expect("git runs").success());
    let mut importer = Importer::new(folder.path());
    let made = plan.write(&mut importer, per_commit);
    importer.finish();

    let repo = Repo::open(folder.path()).expect("a repository");
    let tip = repo.read_ref(BRANCH).expect("a repository that reads").expect("a branch");
    let is_genesis = |line: &[u8]| apply(&Memory::new(), &examine(line), None).is_ok();
    let walked = walk(&repo, tip, None, &Rules { is_genesis: &is_genesis, named_digest: &policy_digest });
    let walked = walked.expect("commits that can be walked");
    assert_eq!(walked.voids, []);
    let replayed = replay(&repo, &walked).expect("lines that can be read");
    assert_eq!(replayed.verdicts.without_effect().next(), None);

    let view = replayed.view;
    assert_eq!((view.size(), view.root().map(|root| root.to_string())), (plan.lines, Some(made.root.clone())));
    let live = view
        .requests(Some(plan.ends))
        .into_iter()
        .filter(|record| record.grant().is_some_and(|grant| grant.start <= plan.ends && plan.ends < grant.end));
    let (chosen, others): (Vec<_>, Vec<_>) = live.partition(|record| record.id.to_string() == made.grant);
    assert_eq!((chosen.len(), others.len() as u64), (1, plan.live));
    assert_eq!(chosen.first().and_then(|record| record.grant()).map(|grant| grant.counted.len()), Some(2));
    let (subject, resource, action): (Name, Resource, Name) = (parse(SUBJECT), parse(RESOURCE), parse(ACTION));
    let question = Question { resource: &resource, action: &action, bind: None, shown: Shown::Subject(&subject) };
    assert_eq!(decide(&view, &question, plan.ends).answer, Answer::Allow);
    made
}

#[test]
fn histories_of_any_size_are_honest() {
    let plan = Plan::small(parse("2026-11-24T09:30:00Z"));
    check(&plan, 1);
    let more = Plan { lines: 1_000, rules: 60, live: 50, revocations: 200, ..plan };
    let made = check(&more, 256);
    assert_eq!(made.revocations, more.revocations);
    assert_eq!(check(&more, 256).root, made.root, "the same lines each time");
    assert_ne!(check(&Plan { seed: 2, ..more }, 100).root, made.root);
}
