//! Which key is chosen, and what is said when none is.

use super::*;
use crate::edge::keys::{Nobody, candidates};

/// Asserts that `chosen` is `key`, in the file `name` of `home`.
fn assert_file(home: &Home, chosen: Result<Signer, KeyFault>, key: &PublicKey, name: &str) {
    let signer = chosen.unwrap();
    assert_eq!((signer.public_key(), signer.describe()), (key, home.path(name).display().to_string()));
}

#[test]
fn each_step_comes_before_the_next() {
    let mut home = Home::new();
    let agent = RealAgent::start(home.path("agent"));
    let [option, variable, git, agents, folder] =
        ["option", "variable", "git", "agents", ".ssh/id_ed25519"].map(|name| home.key(name, ""));
    agent.add(&home.path("agents"));
    home.set("SSH_AUTH_SOCK", &agent.socket);
    home.set("JIT_KEY", home.path("variable"));
    let config =
        GitKeyConfig { format: Some("ssh".to_owned()), signingkey: Some(home.path("git").display().to_string()) };
    let option_path = home.path("option");
    let known = [&agents, &folder];
    let is_known = |key: &PublicKey| known.contains(&key);
    let chosen = |home: &Home, git: &GitKeyConfig, explicit| {
        choose(&home.env, git, None, explicit, &is_known).unwrap().public_key().clone()
    };
    assert_eq!(chosen(&home, &config, option_path.to_str()), option);
    assert_eq!(chosen(&home, &config, None), variable);
    home.set("JIT_KEY", "");
    assert_eq!(chosen(&home, &config, None), git);
    for format in [None, Some("openpgp".to_owned())] {
        assert_eq!(chosen(&home, &GitKeyConfig { format, ..config.clone() }, None), agents);
    }
    home.set("SSH_AUTH_SOCK", "");
    assert_eq!(chosen(&home, &GitKeyConfig::default(), None), folder);
}

#[test]
fn fingerprints_are_looked_up_in_the_agent_and_then_in_the_folder() {
    let mut home = Home::new();
    let (both, only_folder) = (home.key(".ssh/both", ""), home.key(".ssh/work", "secret"));
    assert_file(&home, home.named(only_folder.fingerprint()), &only_folder, ".ssh/work");
    assert_file(&home, home.named(both.fingerprint()), &both, ".ssh/both");
    let agent = RealAgent::start(home.path("agent"));
    agent.add(&home.path(".ssh/both"));
    home.set("SSH_AUTH_SOCK", &agent.socket);
    assert_eq!(home.named(both.fingerprint()).unwrap().describe(), "agent");
    home.set("JIT_KEY", only_folder.fingerprint());
    assert_file(&home, home.known(&[]), &only_folder, ".ssh/work");

    let whole = only_folder.fingerprint();
    for bad in [&whole[..20], "SHA256:", &format!("{whole}A"), &format!("{whole}=")] {
        let fault = home.named(bad).unwrap_err();
        assert!(matches!(fault, KeyFault::Fingerprint(_)), "{bad}: {fault}");
    }
    let nobodys = format!("SHA256:{}", "A".repeat(43));
    let text = home.named(&nobodys).unwrap_err().to_string();
    assert!(text.contains(&nobodys) && text.contains(&whole) && text.contains(&both.fingerprint()), "{text}");
}

#[test]
fn a_key_in_the_agent_of_another_kind_is_named() {
    let mut home = Home::new();
    home.keygen(&["-t", "ecdsa", "-N", "", "-C", "old"], "ecdsa");
    let agent = RealAgent::start(home.path("agent"));
    agent.add(&home.path("ecdsa"));
    home.set("SSH_AUTH_SOCK", &agent.socket);
    let output = Command::new("ssh-keygen").arg("-lf").arg(home.path("ecdsa")).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let fingerprint = output.split(' ').nth(1).unwrap();
    let fault = home.named(fingerprint).unwrap_err();
    assert!(fault.to_string().contains("`ecdsa-sha2-nistp256`"), "{fault}");
    assert!(fault.help().unwrap().contains("ssh-keygen -t ed25519"), "{fault}");
    let text = home.known(&[]).unwrap_err().to_string();
    assert!(text.contains(fingerprint) && text.contains("ecdsa-sha2-nistp256"), "{text}");
}

#[test]
fn the_public_half_stands_for_the_private_one() {
    let mut home = Home::new();
    let (key, locked) = (home.key("id", ""), home.key("locked", "secret"));
    assert_file(&home, home.named(home.path("id.pub")), &key, "id");
    assert_file(&home, home.named(home.path("locked.pub")), &locked, "locked");

    // An agent saves the passphrase, whichever half was named; a file without one needs no agent.
    home.keygen(&["-p", "-P", "secret", "-N", ""], "locked");
    let agent = RealAgent::start(home.path("agent"));
    agent.add(&home.path("locked"));
    agent.add(&home.path("id"));
    home.keygen(&["-p", "-P", "", "-N", "secret", "-a", "1"], "locked");
    home.set("SSH_AUTH_SOCK", &agent.socket);
    for name in ["locked", "locked.pub"] {
        assert_eq!(home.named(home.path(name)).unwrap().describe(), "agent", "{name}");
    }
    assert_file(&home, home.named(home.path("id")), &key, "id");

    // Half a key, and halves of two keys.
    home.set("SSH_AUTH_SOCK", "");
    fs::remove_file(home.path("locked")).unwrap();
    let fault = home.named(home.path("locked.pub")).unwrap_err();
    assert!(matches!(fault, KeyFault::NoPrivateHalf { .. }), "{fault}");
    fs::copy(home.path("id"), home.path("locked")).unwrap();
    let fault = home.named(home.path("locked.pub")).unwrap_err();
    assert!(fault.to_string().contains("not the private half"), "{fault}");
}

#[test]
fn git_names_a_key_in_several_ways() {
    let home = Home::new();
    let key = home.key(".ssh/work", "");
    let literal = format!("key::{key} a comment");
    let bare = key.to_openssh();
    let path = home.path(".ssh/work").display().to_string();
    for name in [&literal, &bare, &path, &format!("{path}.pub"), "~/.ssh/work", "~/.ssh/work.pub"] {
        assert_file(&home, home.signing_key(name, &[]), &key, ".ssh/work");
    }
    let fault = home.signing_key("~/.ssh/gone", &[&key]).unwrap_err();
    assert!(fault.to_string().starts_with("git's `user.signingkey`: "), "{fault}");
    let fault = home.signing_key("key::nonsense", &[&key]).unwrap_err();
    assert!(fault.to_string().starts_with("git's `user.signingkey`: "), "{fault}");
}

#[test]
fn a_git_key_of_another_kind_is_passed_over_and_named() {
    let home = Home::new();
    home.keygen(&["-t", "ecdsa", "-N", ""], "ecdsa");
    let key = home.key(".ssh/id_ed25519", "");
    let path = home.path("ecdsa.pub").display().to_string();
    let literal = "key::ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDA";
    home.key("certified", "");
    run(Command::new("ssh-keygen")
        .args(["-q", "-I", "me", "-s"])
        .arg(home.path("ecdsa"))
        .arg(home.path("certified.pub")));
    let certificate = home.path("certified-cert.pub").display().to_string();
    for (name, kind) in
        [(path.as_str(), "ecdsa-sha2-nistp256"), (literal, "ssh-rsa"), (&certificate, "certificates are not taken")]
    {
        assert_file(&home, home.signing_key(name, &[&key]), &key, ".ssh/id_ed25519");
        let text = home.signing_key(name, &[]).unwrap_err().to_string();
        assert!(text.contains("git's `user.signingkey`") && text.contains(kind), "{text}");
    }
}

#[test]
fn the_order_of_the_folder() {
    let home = Home::new();
    let names = [".ssh/id_ed25519", ".ssh/a_first", ".ssh/work"];
    let keys = names.map(|name| home.key(name, ""));
    let [usual, first, work] = &keys;
    let all: Vec<&PublicKey> = keys.iter().collect();
    assert_file(&home, home.known(&all), usual, ".ssh/id_ed25519");
    assert_file(&home, home.known(&[work, first]), first, ".ssh/a_first");
    assert_file(&home, home.known(&[work]), work, ".ssh/work");
    // Without its public half only a usual name is found.
    for name in [".ssh/id_ed25519.pub", ".ssh/work.pub"] {
        fs::remove_file(home.path(name)).unwrap();
    }
    assert_file(&home, home.known(&[usual]), usual, ".ssh/id_ed25519");
    home.known(&[work]).unwrap_err();
    // One that is open to others is passed over where another will do, and is the error where none does.
    home.chmod(".ssh/a_first", 0o644);
    let fault = home.known(&[first]).unwrap_err();
    assert!(fault.to_string().contains("mode 0644"), "{fault}");
    let last = home.key(".ssh/z_last", "");
    assert_file(&home, home.known(&[first, &last]), &last, ".ssh/z_last");
    // A public half alone is no candidate, even if it is known; nor is a file that is named only `.pub`.
    let half = home.key(".ssh/half", "");
    fs::remove_file(home.path(".ssh/half")).unwrap();
    let fault = home.known(&[&half]).unwrap_err();
    assert!(matches!(fault, KeyFault::NoneKnown(_)), "{fault}");
    let fault = home.named(half.fingerprint()).unwrap_err();
    assert!(matches!(fault, KeyFault::Missing { .. }), "{fault}");
    fs::rename(home.path(".ssh/half.pub"), home.path(".ssh/.pub")).unwrap();
    let places: Vec<String> = candidates(&home.env, None).seen.into_iter().map(|seen| seen.place).collect();
    let expected = [".ssh/id_ed25519", ".ssh/a_first", ".ssh/z_last"].map(|name| home.path(name).display().to_string());
    assert_eq!(places, expected);
}

#[test]
fn the_error_lists_what_was_looked_at() {
    let mut home = Home::new();
    let text = home.known(&[]).unwrap_err().to_string();
    assert!(text.starts_with("no key was found") && text.contains("`SSH_AUTH_SOCK` is not set"), "{text}");

    let (mine, half) = (home.key(".ssh/id_ed25519", "secret"), home.key(".ssh/half", ""));
    home.keygen(&["-t", "rsa", "-b", "2048", "-N", ""], ".ssh/id_rsa");
    fs::remove_file(home.path(".ssh/half")).unwrap();
    home.set("SSH_AUTH_SOCK", home.path("gone"));
    let fault = home.known(&[]).unwrap_err();
    let ssh = home.path(".ssh").display().to_string();
    let expected = format!(
        "none of these keys is in identities/:\n  \
         {} ({ssh}/id_ed25519)\n  \
         {} ({ssh}/half): only its public half is here\n  \
         {ssh}/id_rsa: keys of kind `ssh-rsa` are not supported, only ssh-ed25519 and sk-ssh-ed25519@openssh.com\n  \
         agent: `{}`: can't connect: No such file or directory (os error 2)",
        mine.fingerprint(),
        half.fingerprint(),
        home.path("gone").display(),
    );
    assert_eq!(fault.to_string(), expected);
    for word in ["--key", "jit identity add", "ssh-keygen -t ed25519"] {
        assert!(fault.help().unwrap().contains(word), "{word}");
    }
}

#[test]
fn a_signature_of_ssh_keygen_is_the_same_bytes() {
    let home = Home::new();
    home.key("id", "");
    fs::write(home.path("message"), MESSAGE).unwrap();
    let mut sign = Command::new("ssh-keygen");
    run(sign.args(["-Y", "sign", "-n", "jit", "-f"]).arg(home.path("id")).arg(home.path("message")));
    let theirs = fs::read_to_string(home.path("message.sig")).unwrap();
    let ours = home.named(home.path("id")).unwrap().sign(MESSAGE, &mut Nobody).unwrap().to_pem();
    assert_eq!(ours.trim_end(), theirs.trim_end());
}
