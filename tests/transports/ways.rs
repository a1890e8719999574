//! The same day over each transport: clones, a request, an approval, a gate in a bare clone, a revocation.

use std::process::Command;

use crate::host::{Host, PEOPLE, password};
use crate::lab::Said;

const ORDERS: [&str; 2] = ["db/prod/orders", "read"];

/// `dress` gives somebody's `jit` what the transport needs beside the settings in their HOME.
fn assert_a_day_goes_well(host: &Host, url: &str, dress: impl Fn(&str, &mut Command)) {
    let jit = |who: &str, args: &[&str]| -> Said {
        let mut command = host.jit_command(who, args);
        dress(who, &mut command);
        command.output().unwrap().into()
    };
    let [carol, dave, gate] = PEOPLE;
    for who in [carol, dave] {
        let said = jit(who, &["clone", url, "access", "--genesis", &host.lab.genesis]).exits(0);
        assert_eq!(said.stderr, "", "nothing is asked, and nothing is told of what takes no time");
    }
    jit(gate, &["clone", url, "access", "--bare", "--genesis", &host.lab.genesis]).exits(0);
    let check = |code, reason| {
        let args = [&["-C", "access", "check"][..], &ORDERS, &["--subject", dave, "--json"]].concat();
        jit(gate, &args).exits(code).because(reason)
    };
    check(1, "no-grant");
    let ask = [&["-C", "access", "request"][..], &ORDERS, &["--for", "90m", "--json"]].concat();
    let id = jit(dave, &ask).exits(3).json()["request"]["id"].as_str().unwrap().to_owned();
    jit(carol, &["-C", "access", "approve", &id, "--yes"]).exits(0);
    jit(gate, &["-C", "access", "sync"]).exits(0);
    check(0, "granted");
    jit(dave, &["-C", "access", "done", &id]).exits(0);
    jit(gate, &["-C", "access", "sync"]).exits(0);
    check(1, "revoked");
    let verified = jit(carol, &["-C", "access", "audit", "verify", "--strict", "--json"]).exits(0).json();
    assert_eq!(verified["size"], 5, "genesis, policy, request, approval, revocation");
}

#[test]
fn over_a_path() {
    let host = Host::new();
    assert_a_day_goes_well(&host, &host.file_url(), |_, _| {});
}

#[test]
fn over_ssh_as_git_is_set_up() {
    let host = Host::new();
    let (server, url) = host.sshd();
    for who in PEOPLE {
        host.git_config(who, "core.sshCommand", &host.ssh(who, &server, true));
    }
    assert_a_day_goes_well(&host, &url, |_, _| {});
}

#[test]
fn over_ssh_as_the_environment_has_it() {
    let host = Host::new();
    let (server, url) = host.sshd();
    for who in PEOPLE {
        host.git_config(who, "core.sshCommand", "false");
    }
    assert_a_day_goes_well(&host, &url, |who, command| {
        command.env("GIT_SSH_COMMAND", host.ssh(who, &server, true));
    });
}

#[test]
fn over_http_with_a_credential_helper() {
    let host = Host::new();
    let (server, url) = host.http();
    for who in PEOPLE {
        host.git_config(who, "credential.username", who);
        host.store_password(who, &server, &password(who));
    }
    assert_a_day_goes_well(&host, &url, |_, _| {});
}
