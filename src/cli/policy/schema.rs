//! `jit policy schema`: what editors of TOML complete and check the policy's files by.

use std::collections::BTreeMap;

use clap::ValueEnum;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::core::policy::Schema;

/// Print the JSON Schema of the policy's files, by which editors complete and check them
///
/// `jit init` writes them to .schemas/, and `#:schema` lines that lead editors there. After an upgrade of jit:
/// `jit policy schema policies > .schemas/policies.json`. Without a name, all of them are printed as one object.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct SchemaArgs {
    /// Which files
    name: Option<SchemaName>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum SchemaName {
    Jit,
    Identities,
    Policies,
    Targets,
    Tests,
}

impl From<SchemaName> for Schema {
    fn from(name: SchemaName) -> Schema {
        match name {
            SchemaName::Jit => Schema::Jit,
            SchemaName::Identities => Schema::Identities,
            SchemaName::Policies => Schema::Policies,
            SchemaName::Targets => Schema::Targets,
            SchemaName::Tests => Schema::Tests,
        }
    }
}

pub(super) fn run(cx: &mut Context<'_>, args: &SchemaArgs) -> anyhow::Result<Exit> {
    match args.name {
        Some(name) => cx.print(Schema::from(name).text().trim_end())?,
        None => {
            let parsed = |schema: Schema| serde_json::from_str::<serde_json::Value>(schema.text());
            let all = Schema::ALL.into_iter().map(|schema| Ok((schema.name(), parsed(schema)?)));
            cx.print_json(&all.collect::<Result<BTreeMap<_, _>, serde_json::Error>>()?)?;
        }
    }
    Ok(Exit::Done)
}
