//! Signing with key files, and the files that are refused.

use super::*;
use crate::edge::keys::{FileFault, KeySource, MAX_KEY_FILE_LEN, Nobody, PassphraseFault};

#[test]
fn a_plain_file_signs_and_asks_nobody() {
    let home = Home::new();
    let key = home.key("id", "");
    let mut signer = home.named(home.path("id")).unwrap();
    assert_eq!((signer.public_key(), signer.source()), (&key, KeySource::File(home.path("id"))));
    let mut prompt = Scripted::new(&[]);
    home.assert_verifies(&key, &signer.sign(MESSAGE, &mut prompt).unwrap());
    assert!(prompt.asked.is_empty() && prompt.notes.is_empty());
    assert_eq!(signer.sign(b"another", &mut prompt).unwrap().verify(b"another"), Ok(()));
}

#[test]
fn a_passphrase_is_asked_for_once_and_only_to_sign() {
    let home = Home::new();
    let key = home.key("id", "correct horse");
    let mut signer = home.named(home.path("id")).unwrap();
    assert_eq!(signer.public_key(), &key);
    let mut prompt = Scripted::new(&["wrong", "correct horse"]);
    home.assert_verifies(&key, &signer.sign(MESSAGE, &mut prompt).unwrap());
    signer.sign(b"another", &mut prompt).unwrap();
    let question = format!("Enter passphrase for key '{}': ", home.path("id").display());
    assert_eq!(prompt.asked, [question.clone(), question]);
    assert_eq!(prompt.notes.len(), 2, "{:?}", prompt.notes);
    assert!(prompt.notes[0] == "wrong passphrase" && prompt.notes[1].contains("faster"), "{:?}", prompt.notes);
}

#[test]
fn a_passphrase_that_is_wrong_or_missing_ends_it() {
    let home = Home::new();
    home.key("id", "correct horse");
    let failed = |answers: &[&'static str]| {
        let mut prompt = Scripted::new(answers);
        let fault = home.named(home.path("id")).unwrap().sign(MESSAGE, &mut prompt).unwrap_err();
        let KeyFault::Passphrase { fault, .. } = fault else { panic!("{fault}") };
        (fault, prompt.asked.len())
    };
    assert!(matches!(failed(&["a", "b", "c", "correct horse"]), (PassphraseFault::Wrong { tries: 3 }, 3)));
    assert!(matches!(failed(&[""]), (PassphraseFault::NotGiven, 1)));
    assert!(matches!(failed(&[]), (PassphraseFault::NobodyToAsk, 1)));

    let fault = home.named(home.path("id")).unwrap().sign(MESSAGE, &mut Nobody).unwrap_err();
    assert!(fault.help().unwrap().contains("ssh-add "), "{fault}");
}

#[test]
fn secrets_stand_in_no_debug_and_no_error() {
    let home = Home::new();
    home.key("id", "correct horse");
    let mut signer = home.named(home.path("id")).unwrap();
    let fault = signer.sign(MESSAGE, &mut Scripted::new(&["tr0ub4dor", "tr0ub4dor", "tr0ub4dor"])).unwrap_err();
    let text = format!("{fault} {fault:?} {:?}", fault.help());
    assert!(!text.contains("tr0ub4dor"), "{text}");
    signer.sign(MESSAGE, &mut Scripted::new(&["correct horse"])).unwrap();
    let id = home.path("id");
    assert_eq!(format!("{signer:?}"), format!("Signer({}, {})", signer.public_key().fingerprint(), id.display()));
}

#[test]
fn askpass_is_run_with_the_question_and_gives_one_line() {
    let mut home = Home::new();
    let key = home.key("id", "correct horse");
    let askpass = home.script("askpass", r#"echo "$1" >> "$HOME/asked"; printf 'correct horse\r\nmore\n'"#);
    home.set("PATH", "/usr/bin:/bin");
    home.set("SSH_ASKPASS", askpass);
    home.set("DISPLAY", ":0");
    let sign = |home: &Home, prompt: &mut dyn Prompt| home.named(home.path("id")).unwrap().sign(MESSAGE, prompt);

    // A terminal comes first, askpass where there is none.
    let mut terminal = Scripted::new(&["correct horse"]);
    sign(&home, &mut terminal).unwrap();
    assert!(!home.path("asked").exists());
    home.assert_verifies(&key, &sign(&home, &mut Nobody).unwrap());
    let asked = fs::read_to_string(home.path("asked")).unwrap();
    assert_eq!(asked, format!("Enter passphrase for key '{}': \n", home.path("id").display()));

    // Unless it is required, or ruled out.
    home.set("SSH_ASKPASS_REQUIRE", "force");
    home.set("DISPLAY", "");
    let mut terminal = Scripted::new(&["correct horse"]);
    sign(&home, &mut terminal).unwrap();
    assert!(terminal.asked.is_empty());
    home.set("SSH_ASKPASS_REQUIRE", "never");
    home.set("DISPLAY", ":0");
    let fault = sign(&home, &mut Nobody).unwrap_err();
    assert!(matches!(fault, KeyFault::Passphrase { fault: PassphraseFault::NobodyToAsk, .. }), "{fault}");
}

#[test]
fn an_askpass_that_is_closed_missing_or_endless_is_no_answer() {
    let mut home = Home::new();
    home.key("id", "correct horse");
    home.set("PATH", "/usr/bin:/bin");
    home.set("SSH_ASKPASS_REQUIRE", "force");
    let mut failed = |askpass: PathBuf| {
        home.set("SSH_ASKPASS", askpass);
        match home.named(home.path("id")).unwrap().sign(MESSAGE, &mut Nobody).unwrap_err() {
            KeyFault::Passphrase { fault, .. } => fault,
            other => panic!("{other}"),
        }
    };
    let scripts = Home::new();
    let cancelled = scripts.script("cancelled", "echo correct horse; exit 1");
    assert!(matches!(failed(cancelled), PassphraseFault::NotGiven));
    let endless = scripts.script("endless", "exec cat /dev/zero");
    assert!(matches!(failed(endless), PassphraseFault::NotGiven));
    assert!(matches!(failed(PathBuf::from("/nonexistent/askpass")), PassphraseFault::Askpass { .. }));
    assert!(matches!(failed(PathBuf::from("no-such-askpass")), PassphraseFault::NoAskpass(_)));
}

#[test]
fn every_mode_that_lets_others_in_is_refused() {
    let home = Home::new();
    home.key("id", "");
    for (mode, is_taken) in [(0o600, true), (0o400, true), (0o700, true), (0o640, false), (0o604, false)] {
        home.chmod("id", mode);
        assert_eq!(home.named(home.path("id")).is_ok(), is_taken, "{mode:o}");
    }
    for mode in [0o620, 0o610, 0o602, 0o601, 0o666] {
        home.chmod("id", mode);
        let fault = home.named(home.path("id")).unwrap_err();
        assert!(fault.to_string().contains(&format!("mode {mode:04o}")), "{fault}");
        assert!(fault.help().unwrap().contains("chmod 600"), "{fault}");
    }
    // A symlink is judged by what it points to.
    home.chmod("id", 0o600);
    std::os::unix::fs::symlink("id", home.path("link")).unwrap();
    home.named(home.path("link")).unwrap();
}

#[test]
fn other_kinds_and_formats_are_named() {
    let home = Home::new();
    home.keygen(&["-t", "rsa", "-b", "2048", "-N", ""], "rsa");
    home.keygen(&["-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM"], "rsa_pem");
    home.keygen(&["-t", "ecdsa", "-N", ""], "ecdsa");
    home.keygen(&["-t", "ecdsa", "-N", "secret", "-a", "1"], "ecdsa_locked");
    home.keygen(&["-t", "ecdsa", "-N", "", "-m", "PKCS8"], "pkcs8");
    home.keygen(&["-t", "ecdsa", "-N", "", "-m", "PEM"], "ecdsa_pem");
    fs::write(home.path("ppk"), "PuTTY-User-Key-File-3: ssh-ed25519\n").unwrap();
    home.keygen(&["-t", "ed25519", "-N", "secret", "-a", "1", "-Z", "3des-cbc"], "3des");
    for (name, says, help) in [
        ("rsa", "`ssh-rsa` are not supported", "ssh-keygen -t ed25519"),
        ("rsa.pub", "`ssh-rsa` are not supported", "ssh-keygen -t ed25519"),
        ("rsa_pem", "`ssh-rsa` are not supported", "ssh-keygen -t ed25519"),
        ("ecdsa", "`ecdsa-sha2-nistp256` are not supported", "ssh-keygen -t ed25519"),
        ("ecdsa.pub", "`ecdsa-sha2-nistp256` are not supported", "ssh-keygen -t ed25519"),
        ("ecdsa_locked", "`ecdsa-sha2-nistp256` are not supported", "ssh-keygen -t ed25519"),
        ("ecdsa_pem", "`ecdsa` are not supported", "ssh-keygen -t ed25519"),
        ("pkcs8", "in PKCS#8 format", "ssh-keygen -p -f"),
        ("ppk", "in PuTTY format", "puttygen"),
        ("3des", "`3des-cbc`", "ssh-keygen -p -f"),
    ] {
        let fault = home.named(home.path(name)).unwrap_err();
        let text = fault.to_string();
        assert!(text.contains(says) && text.contains(&format!("`{}`", home.path(name).display())), "{name}: {text}");
        assert!(fault.help().is_some_and(|line| line.contains(help)), "{name}: {:?}", fault.help());
    }
}

#[test]
fn ciphers_of_openssh_unlock() {
    let home = Home::new();
    for cipher in ["aes128-cbc", "aes256-ctr", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"] {
        home.keygen(&["-t", "ed25519", "-N", "secret", "-a", "1", "-Z", cipher], cipher);
        let mut signer = home.named(home.path(cipher)).unwrap();
        let mut prompt = Scripted::new(&["wrong", "secret"]);
        signer.sign(MESSAGE, &mut prompt).unwrap();
        assert_eq!(prompt.asked.len(), 2, "{cipher}");
    }
}

#[test]
fn files_that_are_no_key() {
    let home = Home::new();
    home.key("id", "");
    let good = fs::read_to_string(home.path("id")).unwrap();
    let two = fs::read_to_string(home.path("id.pub")).unwrap().repeat(2);
    run(Command::new("mkfifo").arg(home.path("pipe")));
    let faulty = |name: &str, content: &[u8]| {
        fs::write(home.path(name), content).unwrap();
        home.chmod(name, 0o600);
        match home.named(home.path(name)).unwrap_err() {
            KeyFault::File { fault, .. } => fault,
            other => panic!("{other}"),
        }
    };
    assert!(matches!(faulty("empty", b""), FileFault::Public(_)));
    assert!(matches!(faulty("binary", b"\xff\xfe"), FileFault::Public(_)));
    assert!(matches!(faulty("large", &vec![b'#'; 1 + MAX_KEY_FILE_LEN as usize]), FileFault::TooLarge));
    assert!(matches!(faulty("two", two.as_bytes()), FileFault::Several(2)));
    assert!(matches!(faulty("cut", &good.as_bytes()[..good.len() / 2]), FileFault::Broken));
    assert!(matches!(faulty("bare", b"-----BEGIN OPENSSH PRIVATE KEY-----\n"), FileFault::Broken));
    for (name, is_expected) in [
        ("pipe", (|fault| matches!(fault, FileFault::NotRegular)) as fn(&FileFault) -> bool),
        (".ssh", |fault| matches!(fault, FileFault::NotRegular)),
        ("missing", |fault| matches!(fault, FileFault::Read(_))),
    ] {
        let fault = home.named(home.path(name)).unwrap_err();
        assert!(matches!(&fault, KeyFault::File { fault, .. } if is_expected(fault)), "{name}: {fault}");
    }
}

#[test]
fn any_changed_byte_of_a_private_key_file_is_noticed_or_harmless() {
    let home = Home::new();
    let key = home.key("id", "");
    let good = fs::read(home.path("id")).unwrap();
    for index in 0..good.len() {
        let mut bytes = good.clone();
        bytes[index] ^= 0x01;
        fs::write(home.path("id"), &bytes).unwrap();
        if let Ok(mut signer) = home.named(home.path("id"))
            && let Ok(signature) = signer.sign(MESSAGE, &mut Nobody)
        {
            // A changed comment or check number is no other key.
            assert_eq!(signature.key(), &key, "byte {index}");
            assert_eq!(signature.verify(MESSAGE), Ok(()), "byte {index}");
        }
    }
}

#[test]
fn a_key_file_that_would_take_hours_is_refused() {
    let home = Home::new();
    home.key("id", "secret");
    let text = fs::read_to_string(home.path("id")).unwrap();
    let key = ssh_key::PrivateKey::from_openssh(&text).unwrap();
    let mut bytes = key.to_bytes().unwrap().to_vec();
    // string kdf options = string salt, uint32 rounds; the rounds end where the count of keys, 1, begins.
    let at = bytes.windows(4).position(|window| window == [0, 0, 0, 24]).unwrap() + 4 + 4 + 16;
    assert_eq!(bytes[at..at + 8], [0, 0, 0, 1, 0, 0, 0, 1]);
    bytes[at..at + 4].copy_from_slice(&[0xff; 4]);
    let hostile = ssh_key::PrivateKey::from_bytes(&bytes).unwrap().to_openssh(ssh_key::LineEnding::LF).unwrap();
    fs::write(home.path("id"), hostile.as_bytes()).unwrap();
    let fault = home.named(home.path("id")).unwrap_err();
    assert!(fault.to_string().contains("4294967295 rounds"), "{fault}");
}
