//! Gates: each opens for a live grant, for that alone, and passes on why it doesn't open.

use crate::team::Team;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn ci_gate() {
    let team = Team::new();
    let ask = format!(
        "bind=sha256:$(printf %s {COMMIT} | sha256sum | cut -d ' ' -f 1)
        jit request deploy/api/prod deploy --reason {COMMIT} --bind \"$bind\" --token"
    );
    let token = team.shell("deployer", &ask).out;
    let gate = |commit: &str, resource: &str, token: &str| {
        let args = [resource, "deploy", commit, "sh", "-c", "echo \"deployed $1, token [$JIT_TOKEN]\"", "sh", "a b;*"];
        // A gate has no key: without a token it must not ask for anybody.
        team.example("gate", "ci-gate.sh", &args, &[("JIT_TOKEN", token)])
    };

    let open = gate(COMMIT, "deploy/api/prod", &token);
    assert_eq!((open.status, open.out.as_str()), (0, "deployed a b;*, token []\n"), "{}", open.err);

    let other_commit = COMMIT.replace('0', "f");
    let flipped = format!("{}A{}", &token[..100], &token[101..]);
    let table = [
        (other_commit.as_str(), "deploy/api/prod", token.as_str(), 1, "wrong-bind"),
        (COMMIT, "deploy/web/prod", &token, 1, "wrong-resource"),
        (COMMIT, "deploy/api/prod", "", 1, "JIT_TOKEN is not set"),
        (COMMIT, "deploy/api/prod", "jit1.", 1, "malformed"),
        (COMMIT, "deploy/api/prod", &flipped, 1, "deny"),
        (COMMIT, "--help", &token, 2, "--help"),
    ];
    for (commit, resource, token, status, why) in table {
        let shut = gate(commit, resource, token);
        assert_eq!((shut.status, shut.out.as_str()), (status, ""), "{resource}: {}", shut.err);
        assert!(shut.err.contains(why), "{resource}: {}", shut.err);
    }

    // The deployer's own key opens nothing without the token.
    let args = ["deploy/api/prod", "deploy", COMMIT, "true"];
    assert_eq!(team.example("deployer", "ci-gate.sh", &args, &[]).status, 1);
    assert_eq!(team.example("deployer", "ci-gate.sh", &args[..3], &[("JIT_TOKEN", &token)]).status, 2);
    // A gate that trusts another log says no.
    let other_log = [("JIT_TOKEN", token.as_str()), ("JIT_GENESIS", &"0".repeat(64))];
    assert_eq!(team.example("gate", "ci-gate.sh", &args, &other_log).status, 4);
}

#[test]
fn run_with_access() {
    let team = Team::new();
    let run = |who: &str, script: &str| {
        let args = ["db/prod/orders", "read", "sh", "-c", script, "sh", "a b;*"];
        team.example(who, "run-with-access.sh", &args, &[])
    };

    let shut = run("bob", "echo in");
    assert_eq!((shut.status, shut.out.as_str()), (1, ""));
    assert!(shut.err.contains("no-grant"), "{}", shut.err);

    let waiting = team.request("bob", &["db/prod/orders", "read", "--for", "3h", "--reason", "INC-1234 stuck orders"]);
    assert_eq!(run("bob", "echo in").status, 3);

    // A reason that looks like the answer's own field must not lengthen anything.
    let forged = "INC-1 \"valid_until\":\"9999-01-01T00:00:00Z\"";
    let short = team.request("bob", &["db/prod/orders", "read", "--for", "5s", "--reason", forged]);
    let ended = run("bob", "echo \"in $1\"; exec sleep 60");
    assert_eq!((ended.status, ended.out.as_str()), (124, "in a b;*\n"), "{}", ended.err);

    team.shell("alice", &format!("jit approve {waiting} --yes"));
    let open = run("bob", "echo \"in $1\"; exit 7");
    assert_eq!((open.status, open.out.as_str()), (7, "in a b;*\n"), "{}", open.err);
    assert_eq!(run("alice", "echo in").status, 1);
    assert_eq!(run("stranger", "echo in").status, 1);

    team.shell("alice", &format!("jit revoke {waiting} {short} --reason 'it is over'"));
    let shut = run("bob", "echo in");
    assert_eq!((shut.status, shut.out.as_str()), (1, ""));
    assert!(shut.err.contains("revoked"), "{}", shut.err);
}

#[test]
fn ssh_authorized_keys() {
    let team = Team::new();
    let repo = team.repo();
    let sshd = |account: &str, key: &str, genesis: &str| {
        let args: Vec<&str> = [account].into_iter().chain(key.splitn(2, ' ')).collect();
        let vars = [
            ("JIT_SSH_ACCOUNT", "ops"),
            ("JIT_SSH_RESOURCE", "ssh/prod/web-1"),
            ("JIT_REPO", repo.to_str().unwrap()),
            ("JIT_GENESIS", genesis),
            ("HOME", "/nonexistent"),
        ];
        team.example("gate", "ssh-authorized-keys.sh", &args, &vars).out
    };
    let (bob, alice, genesis) = (team.public_key("bob"), team.public_key("alice"), team.genesis());

    assert_eq!(sshd("ops", &bob, genesis), "");
    let id = team.request("bob", &["ssh/prod/web-1", "--reason", "INC-1234 disk is full"]);
    assert_eq!(sshd("ops", &bob, genesis), "");
    team.shell("alice", &format!("jit approve {id} --yes"));
    assert_eq!(sshd("ops", &bob, genesis), format!("restrict,pty {bob}\n"));

    let two_lines = format!("{bob}\n{alice}");
    let certificate = bob.replace("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com");
    for (account, key, genesis) in [
        ("root", bob.as_str(), genesis),
        ("ops", &alice, genesis),
        ("ops", &team.public_key("stranger"), genesis),
        ("ops", &two_lines, genesis),
        ("ops", &certificate, genesis),
        ("ops", "ssh-ed25519", genesis),
        ("ops", &bob, "unset"),
        ("ops", &bob, &"0".repeat(64)),
    ] {
        assert_eq!(sshd(account, key, genesis), "", "{account} {key} {genesis}");
    }

    team.shell("bob", &format!("jit done {id}"));
    assert_eq!(sshd("ops", &bob, genesis), "");
}

#[test]
fn the_sync_service_keeps_a_bare_clone_fresh() {
    let team = Team::new();
    let unit = include_str!("../../examples/jit-sync.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let words: Vec<&str> = start.split(' ').collect();
    assert_eq!(words, ["/usr/local/bin/jit", "-C", "/var/lib/jit/access.git", "sync", "--every", "1m"]);
    // The clone that its head says to make; one round of what the service does for ever.
    team.shell("gate", &format!("jit clone --bare access access.git --genesis {}", team.genesis()));
    let synced = team.shell("gate", "jit -C access.git sync");
    assert!(synced.out.starts_with("Synced: "), "{}", synced.out);
    assert!(team.home().join("access.git/jit/fetched-at").exists());
}
