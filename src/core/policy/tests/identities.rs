//! Identities and groups, line by line.

use super::*;

#[test]
fn identities_and_groups_that_load() {
    for text in [
        "",
        "# nobody\n",
        "identity = {}\ngroup = {}",
        "[identity]\n[group]\n",
        "identity.eve.kind = 'person'",
        "identity = { eve = { kind = 'person' } }",
        "[identity.eve]\nkind='person'\nkeys=['KEY3', 'SK3', 'WK3']",
        "[identity.eve]\nkind='person'\nkeys=[\"  KEY3\\tmy \\u001b comment  \"]",
        "[identity.\"e.v-e_1\"]\nkind='person'",
        "[identity.'0']\nkind='service'\nowners=['bob']",
        "[identity.read]\nkind='person'\n[group.read]\nmembers=['read']",
        "[group.a]\nmembers=['group:b']\n[group.b]\nmembers=['group:dba', 'alice']",
    ] {
        load_with(&[("identities/x.toml", text)]);
    }
}

#[test]
fn identities_and_groups_that_do_not_load() {
    let unknown_key = "unknown key `colour` in an identity | an identity may hold kind, keys, owners";
    let no_ssh =
        "not an OpenSSH public key (`TYPE BASE64 COMMENT` on one line) | copy the line from the key's .pub file";
    let other_kind = "are not supported, only ssh-ed25519 and sk-ssh-ed25519@openssh.com | make another key with \
                      `ssh-keygen -t ed25519`, and put its .pub file here";
    let weak = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let table: &[(&str, &[&str])] = &[
        ("[identity.eve]", &["@:1:11: identity `eve` needs `kind` | write for example `kind = \"person\"`"]),
        ("[identity.eve]\nkind='robot'", &["@:2:6: `kind` is `person` or `service`, not `robot`"]),
        (
            "[identity.eve]\nkind='Person'",
            &["@:2:6: `kind` is `person` or `service`, not `Person` | did you mean `person`?"],
        ),
        ("[identity.eve]\nkind='person'\ncolour=1", &[&format!("@:3:1: {unknown_key}")]),
        ("[identity.eve]\nkind='person'\nkey=[]", &["@:3:1: unknown key `key` in an identity | did you mean `keys`?"]),
        (
            "[identity.eve]\nkind='person'\nowners=['bob']",
            &[
                "@:3:8: identity `eve` is a person, and only services have owners | remove `owners`, or write `kind = \"service\"`",
            ],
        ),
        (
            "[identity.eve]\nkind='service'",
            &["@:1:11: identity `eve` needs `owners` | write for example `owners = [\"alice\"]`"],
        ),
        ("[identity.eve]\nkind='service'\nowners=[]", &["@:3:8: `owners` is an empty list"]),
        (
            "[identity.eve]\nkind='service'\nowners=['ci']",
            &["@:3:9: `ci` is a service, and an owner of `eve` must be a person"],
        ),
        (
            "[identity.eve]\nkind='service'\nowners=['eve']",
            &["@:3:9: `eve` is a service, and an owner of `eve` must be a person"],
        ),
        (
            "[identity.eve]\nkind='service'\nowners=['group:dba']",
            &["@:3:9: `group:dba`: a name holds only a-z, 0-9, `.`, `_` and `-`, not `:` (character 6)"],
        ),
        ("[identity.eve]\nkind='service'\nowners=['bob','bob']", &["@:3:15: `bob` is twice in `owners`"]),
        (
            "[identity.eve]\nkind='service'\nowners=['alive']",
            &["@:3:9: there is no identity `alive` | did you mean `alice`?"],
        ),
        (
            "[identity.Eve]\nkind='person'",
            &["@:1:11: `Eve`: a name holds only a-z, 0-9, `.`, `_` and `-`, not `E` (character 1)"],
        ),
        ("[identity.'']\nkind='person'", &["@:1:11: ``: a name can't be empty"]),
        (
            "[identity.'group:x']\nkind='person'",
            &["@:1:11: `group:x`: a name holds only a-z, 0-9, `.`, `_` and `-`, not `:` (character 6)"],
        ),
        (
            "[identity.\"\\u001b[2J\"]\nkind='person'",
            &["@:1:11: `\\u{1b}[2J`: a name holds only a-z, 0-9, `.`, `_` and `-`, not `\\u{1b}` (character 1)"],
        ),
        (
            "[identity.alice]\nkind='person'",
            &["@:1:11: identity `alice` is there already, at identities/people.toml:1:11"],
        ),
        ("[identity.eve]\nkind='person'\n[identity.eve]\n", &["@:3:11: `eve` is there already"]),
        ("[[identity.eve]]\nkind='person'", &["@:1:1: `eve` must be a table, this is a list"]),
        ("[identity]\neve='person'", &["@:2:5: `eve` must be a table, this is a text"]),
        ("identity=1", &["@:1:10: `identity` must be a table, this is a whole number"]),
        // Keys.
        ("[identity.eve]\nkind='person'\nkeys='KEY3'", &["@:3:6: `keys` must be a list, this is a text"]),
        (
            "[identity.eve]\nkind='person'\nkeys=[3]",
            &["@:3:7: each entry of `keys` must be a text in quotes, this is a whole number"],
        ),
        ("[identity.eve]\nkind='person'\nkeys=['']", &[&format!("@:3:7: {no_ssh}")]),
        ("[identity.eve]\nkind='person'\nkeys=['restrict KEY3']", &[&format!("@:3:7: {no_ssh}")]),
        ("[identity.eve]\nkind='person'\nkeys=['KEY3AAAA']", &[&format!("@:3:7: {no_ssh}")]),
        (
            "[identity.eve]\nkind='person'\nkeys=['ssh-rsa AAAA']",
            &[&format!("@:3:7: keys of kind `ssh-rsa` {other_kind}")],
        ),
        (
            "[identity.eve]\nkind='person'\nkeys=['ecdsa-sha2-nistp256 AAAA']",
            &[&format!("@:3:7: keys of kind `ecdsa-sha2-nistp256` {other_kind}")],
        ),
        (
            &format!("[identity.eve]\nkind='person'\nkeys=['{weak}']"),
            &["@:3:7: the key is weak: its point is of small order or not in canonical form | make another key with \
             `ssh-keygen -t ed25519`, and put its .pub file here"],
        ),
        (
            "[identity.eve]\nkind='person'\nkeys=['KEY3', 'KEY3 again']",
            &["@:3:91: `eve` has this key already, at @:3:7"],
        ),
        (
            "[identity.eve]\nkind='person'\nkeys=['KEY1']",
            &[
                "@:3:7: this key of `eve` belongs to `alice` already, at identities/people.toml:3:9 | a key is one identity's; \
             give each its own",
            ],
        ),
        (
            "[identity.eve]\nkind='person'\nkeys=['SK2']",
            &[
                "@:3:7: this key of `eve` belongs to `bob` already, at identities/people.toml:6:9 | a key is one identity's; \
             give each its own",
            ],
        ),
        // Groups.
        ("[group.g]", &["@:1:8: group `g` needs `members` | write for example `members = [\"alice\"]`"]),
        ("[group.g]\nmembers=[]", &["@:2:9: `members` is an empty list"]),
        (
            "[group.g]\nmember=['bob']",
            &[
                "@:1:8: group `g` needs `members` | write for example `members = [\"alice\"]`",
                "@:2:1: unknown key `member` in a group | did you mean `members`?",
            ],
        ),
        ("[group.g]\nmembers=['bob','bob']", &["@:2:16: `bob` is twice in `members`"]),
        ("[group.g]\nmembers=['bbo']", &["@:2:10: there is no identity `bbo` | did you mean `bob`?"]),
        ("[group.g]\nmembers=['group:dbs']", &["@:2:10: there is no group `dbs` | did you mean `dba`?"]),
        ("[group.g]\nmembers=['group:']", &["@:2:10: `group:`: a name can't be empty"]),
        ("[group.g]\nmembers=['group:g']", &["@:2:10: group `g` contains itself: `g` -> `g`"]),
        (
            "[group.g]\nmembers=['group:h']\n[group.h]\nmembers=['bob','group:i']\n[group.i]\nmembers=['group:g']",
            &["@:6:10: group `g` contains itself: `g` -> `h` -> `i` -> `g`"],
        ),
        ("[group.dba]\nmembers=['bob']", &["@:1:8: group `dba` is there already, at identities/people.toml:10:8"]),
        // What stands elsewhere.
        ("[rule.x]", &["@:1:2: `rule` does not stand in a file under identities/ | move it to a file under policies/"]),
        (
            "[identities.x]",
            &["@:1:2: `identities` does not stand in a file under identities/ | did you mean `identity`?"],
        ),
        (
            "format = 1",
            &[
                "@:1:1: `format` does not stand in a file under identities/ | tables here are `[identity.NAME]`, `[group.NAME]` and `[rotation.NAME]`",
            ],
        ),
        // Quotes that were forgotten.
        (
            "[identity.e.v]\nkind='person'",
            &["@:1:13: `e.v` without quotes is not one name but tables inside each other | write `[identity.\"e.v\"]`"],
        ),
        (
            "[identity.e.v.e]\nkind='person'",
            &[
                "@:1:13: `e.v.e` without quotes is not one name but tables inside each other | write `[identity.\"e.v.e\"]`",
            ],
        ),
        (
            "[identity.e]\nkind='person'\n[identity.e.v]\nkind='person'\n[group.g]\nmembers=['e', 'e.v']",
            &["@:3:13: `e.v` without quotes is not one name but tables inside each other | write `[identity.\"e.v\"]`"],
        ),
        (
            "[group.g.members]\nmembers=['bob']",
            &["@:1:10: `g.members` without quotes is not one name but tables inside each other | write \
             `[group.\"g.members\"]`"],
        ),
        (
            "[identity.e]\nkind='person'\nv.x = 1",
            &["@:3:1: unknown key `v` in an identity | an identity may hold kind, keys, owners"],
        ),
    ];
    for (text, expected) in table {
        check("identities/x.toml", text, expected);
    }
}
