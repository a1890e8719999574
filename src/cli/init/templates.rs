//! The starter packs that `jit init` writes: the folders of policies/, built into the program.

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::render;
use crate::core::key::PublicKey;
use crate::core::name::Name;
use crate::core::policy::{SETTINGS, Schema, did_you_mean, nearest};

/// The pack that is taken where none is named.
pub(super) const USUAL: &str = "small-team";

/// A starter pack.
pub(super) struct Template {
    name: &'static str,
    /// For whom it is.
    about: &'static str,
    /// Path and text of each file; `{{me}}` and `{{key}}` in a text are the caller's.
    files: &'static [(&'static str, &'static str)],
}

const TEMPLATES: [Template; 4] = [
    Template {
        name: "small-team",
        about: "a few people who help each other: short is free, long wants a colleague",
        files: &[
            ("identities/groups.toml", include_str!("../../../policies/small-team/identities/groups.toml")),
            ("identities/people.toml", include_str!("../../../policies/small-team/identities/people.toml")),
            ("identities/services.toml", include_str!("../../../policies/small-team/identities/services.toml")),
            ("policies/databases.toml", include_str!("../../../policies/small-team/policies/databases.toml")),
            ("policies/deploys.toml", include_str!("../../../policies/small-team/policies/deploys.toml")),
            ("policies/guardrails.toml", include_str!("../../../policies/small-team/policies/guardrails.toml")),
            ("policies/servers.toml", include_str!("../../../policies/small-team/policies/servers.toml")),
            ("tests/small-team.toml", include_str!("../../../policies/small-team/tests/small-team.toml")),
        ],
    },
    Template {
        name: "on-call",
        about: "those on call, by tiers: an hour at once, longer with a second person, longest with a lead",
        files: &[
            ("identities/groups.toml", include_str!("../../../policies/on-call/identities/groups.toml")),
            ("identities/people.toml", include_str!("../../../policies/on-call/identities/people.toml")),
            ("policies/production.toml", include_str!("../../../policies/on-call/policies/production.toml")),
            ("tests/on-call.toml", include_str!("../../../policies/on-call/tests/on-call.toml")),
        ],
    },
    Template {
        name: "ci-deploys",
        about: "deploy jobs: staging by themselves, production with a release manager, none on weekends",
        files: &[
            ("identities/groups.toml", include_str!("../../../policies/ci-deploys/identities/groups.toml")),
            ("identities/people.toml", include_str!("../../../policies/ci-deploys/identities/people.toml")),
            ("identities/services.toml", include_str!("../../../policies/ci-deploys/identities/services.toml")),
            ("policies/deploys.toml", include_str!("../../../policies/ci-deploys/policies/deploys.toml")),
            ("tests/ci-deploys.toml", include_str!("../../../policies/ci-deploys/tests/ci-deploys.toml")),
        ],
    },
    Template {
        name: "regulated",
        about: "two departments agree, security keys, office hours, an audit trail that nobody changes",
        files: &[
            ("identities/groups.toml", include_str!("../../../policies/regulated/identities/groups.toml")),
            ("identities/people.toml", include_str!("../../../policies/regulated/identities/people.toml")),
            ("policies/administration.toml", include_str!("../../../policies/regulated/policies/administration.toml")),
            ("policies/data.toml", include_str!("../../../policies/regulated/policies/data.toml")),
            ("tests/regulated.toml", include_str!("../../../policies/regulated/tests/regulated.toml")),
        ],
    },
];

#[derive(Serialize)]
struct TemplateJson {
    name: &'static str,
    about: &'static str,
}

/// Says which packs there are.
pub(super) fn list(cx: &mut Context<'_>) -> anyhow::Result<Exit> {
    if cx.json() {
        let all: Vec<TemplateJson> =
            TEMPLATES.iter().map(|one| TemplateJson { name: one.name, about: one.about }).collect();
        cx.print_json(&serde_json::json!({ "templates": all }))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<[String; 2]> = TEMPLATES.iter().map(|one| [one.name.to_owned(), one.about.to_owned()]).collect();
    cx.print(&render::table(["TEMPLATE", "FOR"], &rows))?;
    Ok(Exit::Done)
}

/// Returns the starter pack of that name.
pub(super) fn named(template: &str) -> anyhow::Result<&'static Template> {
    TEMPLATES.iter().find(|one| one.name == template).ok_or_else(|| {
        let text = format!("there is no starter pack `{}`", render::safe(template));
        let names = TEMPLATES.iter().map(|one| one.name);
        let all = names.clone().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let near = nearest(template, names).map(|name| format!("{} ", did_you_mean(name))).unwrap_or_default();
        Failure::usage(text).help(format!("{near}there are {all}")).into()
    })
}

/// Returns a starter pack, if nobody in it is called `me` already.
pub(super) fn pack_for(template: &str, me: &Name) -> anyhow::Result<&'static Template> {
    let pack = named(template)?;
    if pack.files.iter().any(|(_, text)| text.lines().any(|line| line == format!("[identity.{me}]"))) {
        let text = format!("`{me}` can't be your name: the starter pack has somebody of that name already");
        return Err(Failure::usage(text).help("choose another: jit init --as NAME").into());
    }
    Ok(pack)
}

/// Fills in a starter pack, and adds jit.toml and the schemas that editors check all of it by.
pub(super) fn starters(
    template: &str,
    me: &Name,
    log: &Name,
    key: &PublicKey,
) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let pack = pack_for(template, me)?;
    let fill = |text: &str| text.replace("{{me}}", me.as_str()).replace("{{key}}", &key.to_openssh());
    let settings = format!(
        "# Who decides here. Whatever stands in this file and beside it comes into force by `jit policy publish`.\n\
         format = 1\n\
         name = \"{log}\"\n\
         maintainers = [\"{me}\"] # people who publish policies; name a second one soon\n\
         threshold = 1            # how many of them a policy needs\n\
         revokers = []            # who else may revoke and lock down: names, or \"group:NAME\"\n\
         check = {{ max_age = \"5m\" }}\n\
         request = {{ pending_for = \"24h\" }}\n"
    );
    let texts = pack.files.iter().map(|(path, text)| ((*path).to_owned(), fill(text)));
    let with_schema = texts.chain([(SETTINGS.to_owned(), settings)]).map(|(path, text)| {
        let line = Schema::line_for(&path).unwrap_or_default();
        (path, format!("{line}{text}").into_bytes())
    });
    let schemas = Schema::ALL.into_iter().map(|schema| (schema.path(), schema.text().as_bytes().to_vec()));
    Ok(with_schema.chain(schemas).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::policy::{PolicyFiles, is_policy_path};

    #[test]
    fn every_starter_pack_loads() {
        let (key, _) = PublicKey::parse_openssh(
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti",
        )
        .unwrap();
        for template in TEMPLATES.iter().map(|one| one.name) {
            let filled_in = |me: &str| starters(template, &me.parse().unwrap(), &"acme".parse().unwrap(), &key);
            let check = |me: &str| {
                let files = filled_in(me).unwrap().into_iter().filter(|(path, _)| is_policy_path(path));
                super::super::super::policy::check(&PolicyFiles::new(files).unwrap())
            };
            for me in ["alice", "a.b", "engineers"] {
                let (policy, findings) = check(me);
                assert!(
                    policy.is_some() && super::super::super::policy::errors_in(&findings) == 0,
                    "{template}: {findings:?}"
                );
            }
            for name in check("alice").0.unwrap().identities().keys().filter(|name| name.as_str() != "alice") {
                assert!(filled_in(name.as_str()).is_err(), "{template}: {name}");
            }
        }
        assert!(starters("none", &"a".parse().unwrap(), &"b".parse().unwrap(), &key).is_err());
    }

    #[test]
    fn packs_are_whole() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        for template in &TEMPLATES {
            let mut found = 0;
            let mut waiting = vec![folder.join(template.name)];
            while let Some(place) = waiting.pop() {
                for entry in std::fs::read_dir(place).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() { waiting.push(path) } else { found += 1 }
                }
            }
            assert_eq!(template.files.len(), found, "{}", template.name);
        }
    }
}
