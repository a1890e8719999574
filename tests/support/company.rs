//! Policies of any size, as a large company has them: many teams, people in several of them, services that people own,
//! rules of every kind, and tests. The same each time.
//!
//! ```ignore
//! let company = Company::of(10_000);                // with 5,000 identities and 500 groups
//! company.files();                                  // its policy
//! company.changed(100);                             // the same, with every 100th rule changed
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jit::core::policy::PolicyFiles;

use super::history::Dice;
use super::keys::{key, security_key};
use super::org::files;

/// One identity in so many is a service.
const SERVICE_EVERY: u64 = 10;
/// One person in so many has a security key, too.
const TOUCH_EVERY: u64 = 4;
/// How many rules stand in a file.
const RULES_A_FILE: u64 = 250;
const ACTIONS: [&str; 5] = ["read", "write", "deploy", "logs", "access"];
const PLACES: [&str; 9] = ["prod", "prod", "prod", "prod", "staging", "staging", "staging", "*", "eu-*"];
/// Somebody who has much, and something that many have.
pub const SUBJECT: &str = "p1";
pub const RESOURCE: &str = "app/prod/team1/service1/config";
pub const ACTION: &str = "read";

/// How large a policy is.
#[derive(Clone, Copy, Debug)]
pub struct Company {
    pub rules: u64,
    pub identities: u64,
    pub groups: u64,
    /// Requests in its tests, and standing assertions.
    pub cases: u64,
    pub assertions: u64,
}

impl Company {
    /// The usual company with so many rules.
    pub fn of(rules: u64) -> Company {
        let groups = (rules / 20).max(5);
        Company { rules, identities: groups * 10, groups, cases: (rules / 20).max(20), assertions: 12 }
    }

    /// Its policy and tests.
    pub fn files(&self) -> PolicyFiles {
        self.changed(u64::MAX)
    }

    /// The same with a change in every so manieth rule: longer or shorter, for another team, without an approval, or with a
    /// pattern more.
    pub fn changed(&self, every: u64) -> PolicyFiles {
        let mut all = BTreeMap::from([("jit.toml".to_owned(), SETTINGS.to_owned())]);
        for number in 0..self.identities {
            let file = format!("identities/people{}.toml", number / 500);
            *all.entry(file).or_default() += &self.identity(number);
        }
        all.insert("identities/groups.toml".to_owned(), (0..self.groups).map(|number| self.group(number)).collect());
        for number in 0..self.rules {
            let file = format!("policies/rules{}.toml", number / RULES_A_FILE);
            *all.entry(file).or_default() += &self.rule(number, number % every == every - 1);
        }
        all.insert("tests/cases.toml".to_owned(), (0..self.cases).map(|number| self.case(number)).collect());
        all.insert("tests/always.toml".to_owned(), (0..self.assertions).map(|number| self.assertion(number)).collect());
        let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        files(&all)
    }

    fn is_service(&self, number: u64) -> bool {
        number % SERVICE_EVERY == SERVICE_EVERY - 1
    }

    fn name(&self, number: u64) -> String {
        format!("{}{number}", if self.is_service(number) { "s" } else { "p" })
    }

    fn person(&self, dice: &mut Dice) -> String {
        let number = dice.below(self.identities);
        self.name(if self.is_service(number) { number - 1 } else { number })
    }

    fn team(&self, dice: &mut Dice) -> u64 {
        dice.below(self.groups)
    }

    fn identity(&self, number: u64) -> String {
        let name = self.name(number);
        let mut dice = Dice::new(number);
        if self.is_service(number) {
            let (owner, key) = (self.person(&mut dice), key(&name).openssh());
            return format!("[identity.{name}]\nkind = \"service\"\nowners = [\"{owner}\"]\nkeys = [\"{key}\"]\n\n");
        }
        let mut keys = vec![format!("{} {name}@laptop", key(&name).openssh())];
        if number.is_multiple_of(TOUCH_EVERY) {
            keys.push(security_key(&name).openssh());
        }
        format!("[identity.{name}]\nkind = \"person\"\nkeys = {}\n\n", list(&keys))
    }

    /// A team of its own people and a few others, services among them; one in ten takes in two smaller ones.
    fn group(&self, number: u64) -> String {
        let mut dice = Dice::new(1_000_000 + number);
        let each = self.identities / self.groups;
        let mut members: Vec<String> = (0..each).map(|place| self.name(number * each + place)).collect();
        for _ in 0..dice.below(16) {
            members.push(self.name(dice.below(self.identities)));
        }
        if number.is_multiple_of(10) {
            let smaller = (number + 1..self.groups).take(2);
            members.extend(smaller.map(|team| format!("group:team{team}")));
        }
        members.sort();
        members.dedup();
        format!("[group.team{number}]\nmembers = {}\n\n", list(&members))
    }

    fn rule(&self, number: u64, is_changed: bool) -> String {
        let mut dice = Dice::new(2_000_000 + number);
        let own = number % self.groups;
        let service = number / self.groups;
        let place = dice.one_of(&PLACES);
        let mut text = format!("[rule.rule{number}]\n");
        if is_denial(number) {
            let (subjects, resources) = match number % 320 {
                7 => ("\"person:*\"".to_owned(), format!("app/**/sealed{number}")),
                _ => (format!("\"group:team{own}\""), format!("app/{place}/team{own}/**/pii")),
            };
            let resources = if is_changed { format!("{resources}2") } else { resources };
            let _ = writeln!(text, "effect = \"deny\"\nsubjects = [{subjects}]\nresources = [\"{resources}\"]");
            return text + "\n";
        }
        if service < 2 {
            let (approvals, max) = (
                if service == 0 { "" } else { "approvals = [{ from = [\"group:team{own}\"] }]" },
                1 + u8::from(is_changed),
            );
            let _ = writeln!(
                text,
                "subjects = [\"group:team{own}\"]\nresources = [\"app/prod/team{own}/service{service}/**\"]\nactions = [\"read\"]\n\
                 duration = {{ max = \"{max}h\" }}\n{}",
                approvals.replace("{own}", &own.to_string())
            );
            return text + "\n";
        }
        let change = if is_changed { number / 7 % 4 } else { 4 };
        let mut subjects = vec![format!("group:team{}", if change == 0 { (own + 1) % self.groups } else { own })];
        match dice.below(10) {
            0 | 1 => subjects.push(format!("group:team{}", self.team(&mut dice))),
            2 => subjects = vec![self.name(dice.below(self.identities))],
            _ => {}
        }
        subjects.dedup();
        let mut resources = vec![format!("app/{place}/team{own}/service{service}/**")];
        match dice.below(8) {
            0 | 1 => resources.push(format!("db/{place}/team{own}-*")),
            2 => resources.push(format!("ssh/{place}/web-{own}-*/root")),
            3 => resources.push(format!("k8s/*/team{own}/**")),
            _ => {}
        }
        if change == 1 {
            resources.push(format!("vault/team{own}/more{service}"));
        }
        let first = usize::try_from(dice.below(3)).unwrap_or(0);
        let actions: Vec<String> = ACTIONS.iter().skip(first).take(2).map(|action| (*action).to_owned()).collect();
        let max = (2 << dice.below(3)) + u64::from(change == 2);
        let _ = writeln!(
            text,
            "description = \"What team {own} does with service {service}\"\nsubjects = {}\nresources = {}\nactions = {}\n\
             duration = {{ default = \"1h\", max = \"{max}h\" }}",
            list(&subjects),
            list(&resources),
            list(&actions)
        );
        match dice.below(4) {
            0 => text.push_str("reason = { min_length = 10 }\n"),
            1 => {
                let _ = writeln!(text, "reason = {{ pattern = \"^(INC|CHG)-[0-9]{{{},}}\" }}", 1 + own % 20);
            }
            _ => {}
        }
        if dice.below(8) == 0 {
            text.push_str(
                "hours = [{ days = [\"mon-fri\"], from = \"08:00\", to = \"18:00\", tz = \"Europe/Berlin\" }]\n",
            );
        }
        if dice.below(12) == 0 {
            text.push_str("limits = { active = 2, rate = { count = 5, per = \"24h\" } }\n");
        }
        let mut entries = Vec::new();
        let other = (own + 1 + dice.below(self.groups - 1)) % self.groups;
        match dice.below(4) {
            0 => entries.push(format!("{{ from = [\"group:team{own}\"], longer_than = \"1h\" }}")),
            1 => entries.push(format!("{{ from = [\"group:team{own}\", \"group:team{other}\"], count = 2 }}")),
            2 => {
                entries.push(format!("{{ from = [\"group:team{own}\"] }}"));
                entries.push(format!("{{ from = [\"group:team{other}\"], longer_than = \"2h\" }}"));
            }
            _ => {}
        }
        if change == 3 {
            entries.pop();
        }
        if !entries.is_empty() {
            let _ = writeln!(text, "approvals = [{}]", entries.join(", "));
        }
        text + "\n"
    }

    /// What a team's first rule allows, and what its second wants approved; and what nobody has.
    fn case(&self, number: u64) -> String {
        let team = number % self.groups;
        // A deny rule stands in the place of some.
        let [first, second] = [team, team + self.groups].map(|rule| if is_denial(rule) { "deny" } else { "allow" });
        let pending = if is_denial(team + self.groups) { "deny" } else { "pending" };
        let each = self.identities / self.groups;
        let [asking, approving] = [0, 1].map(|place| self.name(team * each + place));
        format!(
            "[test.of{number}]\nsubject = \"{asking}\"\naction = \"read\"\nduration = \"1h\"\nreason = \"INC-{number} it is stuck\"\n\
             cases = [\n  {{ resource = \"app/prod/team{team}/service0/x{number}\", expect = \"{first}\" }},\n  \
             {{ resource = \"app/prod/team{team}/service1/x\", expect = \"{pending}\" }},\n  \
             {{ resource = \"app/prod/team{team}/service1/x\", approved_by = [\"{approving}\"], expect = \"{second}\" }},\n  \
             {{ resource = \"app/prod/nobody/{number}\", expect = \"deny\", reasons = [\"no-matching-rule\"] }},\n]\n\n"
        )
    }

    fn assertion(&self, number: u64) -> String {
        let claim = match number % 4 {
            0 => format!("resources = [\"vault/sealed{number}/**\"]\naccess = false"),
            1 => format!("resources = [\"**\"]\nactions = [\"admin{number}\"]\naccess = false"),
            2 => "resources = [\"app/**/sealed7\"]\nsubjects = [\"person:*\"]\naccess = false".to_owned(),
            _ => format!("resources = [\"lab/nobody{number}/**\"]\nneeds_approval = true"),
        };
        format!("[assert.always{number}]\n{claim}\n\n")
    }
}

/// One rule in forty denies, and one in eight of those is for all, in every team's part.
fn is_denial(number: u64) -> bool {
    number % 40 == 7
}

const SETTINGS: &str = "format = 1\nname = \"acme\"\nmaintainers = [\"p0\", \"p1\", \"p2\"]\nthreshold = 2\n\
                        defaults = { duration = { max = \"12h\" } }\n";

fn list(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", quoted.join(", "))
}
