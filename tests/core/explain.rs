//! An explanation says of each rule what the evaluation itself says.

use std::collections::BTreeSet;

use jit::core::evaluate::{Approvers, Ask, Given, denials, fitting, is_approved};
use jit::core::explain::explain;
use jit::core::name::{Name, Resource};
use jit::core::policy::{Effect, load};

use crate::support::log::{parse, t};
use crate::support::org::Org;

#[test]
fn explanations_agree_with_the_evaluation() {
    let org = Org::new(&["alice"], 1)
        .people("bob carol dave erin")
        .service("ci", "carol")
        .group("dba", "carol dave")
        .setting("defaults", "{ reason = { min_length = 2 } }")
        .allow_if(
            "a",
            "bob ci",
            "db/**",
            "read",
            "4h",
            r#"approvals = [{ from = ["group:dba"], count = 2, longer_than = "1h" }, { from = ["person:*"] }]"#,
        )
        .allow_if("b", "person:*", "db/prod/*", "read write", "2h", "reason = { pattern = \"^INC\" }")
        .allow_if("c", "bob", "db/*/orders", "*", "1h", "require_hardware_key = true")
        .allow_if(
            "d",
            "bob",
            "db/prod/orders",
            "read",
            "4h",
            "approvals = [{ from = [\"carol\"], hardware_key = true }]",
        )
        .deny("e", "erin ci", "**/orders")
        .allow("f", "bob", "web/**", "read", "1h");
    let policy = load(&org.files()).unwrap();
    let [orders, sales]: [Resource; 2] = ["db/prod/orders", "db/prod/sales"].map(parse);
    let people = ["alice", "carol", "dave", "erin", "bob"];
    let mut met = BTreeSet::new();
    for subject in ["bob", "ci", "erin", "alice"] {
        for (resource, action) in [(&orders, "read"), (&orders, "write"), (&sales, "read")] {
            for (duration, reason) in [("1h", ""), ("1h", "INC-1"), ("2h", "x y"), ("3h", "INC-1"), ("5h", "INC-1")] {
                for approvals in 0..1_u32 << people.len() {
                    for by_hardware_key in [false, true] {
                        let (subject, action): (Name, Name) = (parse(subject), parse(action));
                        let duration = parse(duration);
                        let ask = Ask {
                            subject: &subject,
                            resource,
                            action: &action,
                            duration,
                            reason,
                            by_hardware_key,
                            at: t(0),
                        };
                        let approved = people.iter().enumerate().filter(|(index, _)| approvals & (1 << index) != 0);
                        let people: Approvers = approved
                            .map(|(_, name)| (parse(name), vec![Given { by_hardware_key, at: t(0) }]))
                            .collect();
                        let expected: BTreeSet<&Name> = fitting(&policy, &ask)
                            .into_iter()
                            .filter(|(_, allow)| is_approved(&policy, allow, &ask, &people))
                            .map(|(id, _)| id)
                            .chain(denials(&policy, &ask).map(|rule| &rule.id))
                            .collect();
                        let explained = explain(&policy, &ask, &people);
                        let said: BTreeSet<&Name> =
                            explained.iter().filter(|one| one.is_met()).map(|one| &one.rule.id).collect();
                        assert_eq!(said, expected, "{ask:?} {people:?}");
                        assert!(explained.iter().all(|one| one.is_deny() == matches!(one.rule.effect, Effect::Deny)));
                        met.extend(said.into_iter().cloned());
                    }
                }
            }
        }
    }
    assert_eq!(met.len(), 5, "each rule about these is met by something: {met:?}");
}
