use insta::assert_snapshot;

use crate::support::Team;

#[test]
fn try_out() {
    let team = Team::new();
    team.jit("alice", "request db/prod/orders read --reason 'INC-1234 orders are stuck'").show();
    let ran = team.jit("alice", "request db/prod/orders read --for 2h1s --reason 'INC-1234 orders are stuck' --bind sha256:0000000000000000000000000000000000000000000000000000000000000000 --not-before +10m").show();
    let id = ran.out.rsplit("id ").next().unwrap().trim().to_owned();
    team.jit("bob", &format!("approve {}", &id[..8])).answer("y").show();
    team.jit("carol", "list").show();
    team.jit("carol", &format!("show {}", &id[..8])).show();
    assert_snapshot!(team.transcript());
}
