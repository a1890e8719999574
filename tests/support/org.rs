//! Small policies in few lines: who there is, and the rules in TOML.
//!
//! ```ignore
//! let org = Org::new(&["alice"], 1)                 // maintainers, who are people too, and the threshold
//!     .people("bob carol dave")                     // each with the key that `key(name)` gives
//!     .service("deployer", "alice")
//!     .group("dba", "carol dave")
//!     .allow("read", "bob", "db/**", "read", "4h")
//!     .allow_if("write", "group:dba", "db/prod/*", "write", "1h", r#"
//!         approvals = [{ from = ["group:dba"], count = 2 }]"#)
//!     .deny("never", "bob", "db/prod/hr");
//! let tighter = org.clone().without_rule("read").without("dave");
//! ```
//!
//! Methods replace what has the same name, so a later policy is the earlier one and the difference.

use std::collections::BTreeMap;

use jit::core::policy::PolicyFiles;

use super::keys::{Key, key};

/// A policy that is being written.
#[derive(Clone, Debug)]
pub struct Org {
    maintainers: Vec<String>,
    threshold: u64,
    settings: BTreeMap<String, String>,
    /// Per identity, its table without its keys, and its keys.
    identities: BTreeMap<String, (String, Vec<Key>)>,
    groups: BTreeMap<String, Vec<String>>,
    rotations: BTreeMap<String, String>,
    rules: BTreeMap<String, String>,
}

impl Org {
    /// The policy of `maintainers`, without rules.
    pub fn new(maintainers: &[&str], threshold: u64) -> Org {
        let org = Org {
            maintainers: Vec::new(),
            threshold,
            settings: BTreeMap::new(),
            identities: BTreeMap::new(),
            groups: BTreeMap::new(),
            rotations: BTreeMap::new(),
            rules: BTreeMap::new(),
        };
        org.people(&maintainers.join(" ")).maintainers(&maintainers.join(" "), threshold)
    }

    /// Sets who the maintainers are (they must be people here) and how many it takes.
    pub fn maintainers(mut self, names: &str, threshold: u64) -> Org {
        self.maintainers = words(names);
        self.threshold = threshold;
        self
    }

    /// Sets one more line of jit.toml, such as `revokers` and `["group:security"]`.
    pub fn setting(mut self, key: &str, value: &str) -> Org {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Adds people, each with the one key that [`key`] gives.
    pub fn people(mut self, names: &str) -> Org {
        for name in words(names) {
            let keys = vec![key(&name)];
            self.identities.insert(name, ("kind = \"person\"".to_owned(), keys));
        }
        self
    }

    /// Adds a service and its owners.
    pub fn service(mut self, name: &str, owners: &str) -> Org {
        let table = format!("kind = \"service\"\nowners = {}", list(&words(owners)));
        self.identities.insert(name.to_owned(), (table, vec![key(name)]));
        self
    }

    /// Sets the keys of an identity that is there.
    pub fn keys(mut self, name: &str, keys: &[Key]) -> Org {
        if let Some((_, listed)) = self.identities.get_mut(name) {
            *listed = keys.to_vec();
        }
        self
    }

    /// Takes an identity out, and out of all groups. Rules that name it are left as they are.
    pub fn without(mut self, name: &str) -> Org {
        self.identities.remove(name);
        self.groups.values_mut().for_each(|members| members.retain(|member| member != name));
        self
    }

    /// Sets a group's members.
    pub fn group(mut self, name: &str, members: &str) -> Org {
        self.groups.insert(name.to_owned(), words(members));
        self
    }

    /// Takes a group out.
    pub fn without_group(mut self, name: &str) -> Org {
        self.groups.remove(name);
        self
    }

    /// Sets a rotation: its members in order, and the rest in TOML.
    pub fn rotation(mut self, name: &str, members: &str, more: &str) -> Org {
        self.rotations.insert(name.to_owned(), format!("members = {}\n{more}", list(&words(members))));
        self
    }

    /// Sets a rule that allows without further conditions. `subjects`, `resources` and `actions` are words.
    pub fn allow(self, id: &str, subjects: &str, resources: &str, actions: &str, max: &str) -> Org {
        self.allow_if(id, subjects, resources, actions, max, "")
    }

    /// Sets a rule that allows under further conditions, given in TOML.
    pub fn allow_if(self, id: &str, subjects: &str, resources: &str, actions: &str, max: &str, more: &str) -> Org {
        let body = format!(
            "subjects = {}\nresources = {}\nactions = {}\nduration = {{ max = \"{max}\" }}\n{more}",
            list(&words(subjects)),
            list(&words(resources)),
            list(&words(actions))
        );
        self.rule(id, &body)
    }

    /// Sets a rule that denies any action.
    pub fn deny(self, id: &str, subjects: &str, resources: &str) -> Org {
        let (subjects, resources) = (list(&words(subjects)), list(&words(resources)));
        self.rule(id, &format!("effect = \"deny\"\nsubjects = {subjects}\nresources = {resources}"))
    }

    /// Sets a rule from all of its TOML.
    pub fn rule(mut self, id: &str, body: &str) -> Org {
        self.rules.insert(id.to_owned(), body.to_owned());
        self
    }

    /// Takes a rule out.
    pub fn without_rule(mut self, id: &str) -> Org {
        self.rules.remove(id);
        self
    }

    /// The files: jit.toml, identities/all.toml and policies/all.toml.
    pub fn files(&self) -> PolicyFiles {
        let mut settings =
            format!("name = \"acme\"\nmaintainers = {}\nthreshold = {}\n", list(&self.maintainers), self.threshold);
        if !self.settings.contains_key("format") {
            settings.push_str("format = 1\n");
        }
        for (key, value) in &self.settings {
            settings.push_str(&format!("{key} = {value}\n"));
        }
        let mut identities = String::new();
        for (name, (table, keys)) in &self.identities {
            let keys: Vec<String> = keys.iter().map(Key::openssh).collect();
            identities.push_str(&format!("[identity.{name}]\n{table}\nkeys = {}\n", list(&keys)));
        }
        for (name, members) in &self.groups {
            identities.push_str(&format!("[group.{name}]\nmembers = {}\n", list(members)));
        }
        for (name, table) in &self.rotations {
            identities.push_str(&format!("[rotation.{name}]\n{table}\n"));
        }
        let mut rules = String::new();
        for (id, body) in &self.rules {
            rules.push_str(&format!("[rule.{id}]\n{body}\n"));
        }
        files(&[("jit.toml", &settings), ("identities/all.toml", &identities), ("policies/all.toml", &rules)])
    }
}

impl From<&Org> for PolicyFiles {
    fn from(org: &Org) -> PolicyFiles {
        org.files()
    }
}

/// Policy files from paths and contents.
pub fn files(list: &[(&str, &str)]) -> PolicyFiles {
    PolicyFiles::new(list.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())))
        .expect("the paths are those of a policy")
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn list(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", quoted.join(", "))
}
