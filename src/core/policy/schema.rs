//! JSON Schema for the policy's files, so that editors of TOML complete and check them while they are written.
//!
//! The schemas are draft-07, which every such editor reads (Taplo and Even Better TOML among them). They know keys and
//! forms; what needs all files at once, such as whether a name exists, is for the loader. Nothing that loads fails its
//! schema, and no key is known to one of the two alone: tests hold them together.
//!
//! An editor finds the schema of a file by its first line, `#:schema` and a path from the file's folder; `jit init` writes
//! the schemas beside the policy, in `.schemas/`, where nothing is published from.

use super::files::SETTINGS;

/// The folder in which schemas stand in a policy repo.
const FOLDER: &str = ".schemas";

/// A kind of policy file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// jit.toml.
    Jit,
    /// Those under identities/.
    Identities,
    /// Those under policies/.
    Policies,
    /// Those under targets/.
    Targets,
    /// Those under tests/.
    Tests,
}

impl Schema {
    /// All kinds.
    pub const ALL: [Schema; 5] = [Schema::Jit, Schema::Identities, Schema::Policies, Schema::Targets, Schema::Tests];

    /// Returns its name: that of the folder, or of the file without its ending.
    pub fn name(self) -> &'static str {
        match self {
            Schema::Jit => "jit",
            Schema::Identities => "identities",
            Schema::Policies => "policies",
            Schema::Targets => "targets",
            Schema::Tests => "tests",
        }
    }

    /// Returns the schema: one JSON object and a line feed.
    pub fn text(self) -> &'static str {
        match self {
            Schema::Jit => include_str!("schema/jit.json"),
            Schema::Identities => include_str!("schema/identities.json"),
            Schema::Policies => include_str!("schema/policies.json"),
            Schema::Targets => include_str!("schema/targets.json"),
            Schema::Tests => include_str!("schema/tests.json"),
        }
    }

    /// Returns where it stands in a policy repo.
    pub fn path(self) -> String {
        format!("{FOLDER}/{}.json", self.name())
    }

    /// Returns the kind of the policy file at `path`.
    pub fn of(path: &str) -> Option<Schema> {
        if path == SETTINGS {
            return Some(Schema::Jit);
        }
        let (folder, _) = path.split_once('/')?;
        Schema::ALL.into_iter().find(|schema| schema.name() == folder && *schema != Schema::Jit)
    }

    /// Returns the line that leads an editor from the policy file at `path` to its schema; none if it is no such file.
    pub fn line_for(path: &str) -> Option<String> {
        let up = "../".repeat(path.matches('/').count());
        let up = if up.is_empty() { "./".to_owned() } else { up };
        Schema::of(path).map(|schema| format!("#:schema {up}{}\n", schema.path()))
    }
}
