//! `jit audit`: for auditors.

mod export;
mod log;
mod verify;

use clap::Subcommand;

use super::context::Context;
use super::exit::Exit;
use super::render;
use crate::core::history::object::Oid;
use crate::core::statement::{Body, Statement, Verdict, What};

#[derive(Subcommand, Debug)]
pub(super) enum AuditCommand {
    Log(log::LogArgs),
    Verify(verify::VerifyArgs),
    Export(export::ExportArgs),
}

pub(super) fn run(cx: &mut Context<'_>, command: &AuditCommand) -> anyhow::Result<Exit> {
    match command {
        AuditCommand::Log(args) => log::run(cx, args),
        AuditCommand::Verify(args) => verify::run(cx, args),
        AuditCommand::Export(args) => export::run(cx, args),
    }
}

/// Says in a few words what a line says.
pub(super) fn summary(body: &Body) -> String {
    let statement = match body {
        Body::Genesis(genesis) => {
            let names =
                genesis.maintainers.iter().map(|founder| founder.name.to_string()).collect::<Vec<_>>().join(", ");
            return format!("log {}, maintained by {names}, threshold {}", genesis.name, genesis.threshold);
        }
        Body::Statement(statement) => statement,
    };
    match &statement.what {
        What::Policy(policy) => format!("version {}, digest {}", policy.version, policy.digest.short()),
        What::Request(request) => {
            let why = if request.reason.is_empty() {
                String::new()
            } else {
                format!(", {}", render::quoted(&request.reason))
            };
            format!("{} on {} for {}{why}", request.action, request.resource, request.duration)
        }
        What::Approval(approval) => {
            let verdict = match approval.verdict {
                Verdict::Approve(None) => "approves".to_owned(),
                Verdict::Approve(Some(duration)) => format!("approves, for {duration},"),
                Verdict::Deny => "denies".to_owned(),
            };
            format!("{verdict} {}", approval.of.short())
        }
        What::Revocation(revocation) => {
            let why = match revocation.reason.as_str() {
                "" => String::new(),
                reason => format!(": {}", render::quoted(reason)),
            };
            format!("ends {}{why}", revocation.of.short())
        }
        What::Lockdown(lockdown) => {
            format!(
                "{}: {}",
                super::lockdown::describe(&lockdown.subjects, &lockdown.resources),
                render::quoted(&lockdown.reason)
            )
        }
        What::Lift(lift) => format!("lifts {}: {}", lift.of.short(), render::quoted(&lift.reason)),
        What::Presentation(presentation) => format!("presents {}", presentation.of.short()),
        What::Checkpoint(checkpoint) => format!("saw {}", render::count(checkpoint.size, "line")),
        What::Unknown { v, .. } => format!("unknown to this program, version {v}"),
    }
}

/// The fields of a line that is no request, for `jit show`.
pub(super) fn field_rows(body: &Body) -> Vec<(&'static str, String)> {
    let mut rows = vec![("says", summary(body))];
    if let Body::Genesis(genesis) = body {
        for founder in &genesis.maintainers {
            rows.push(("maintainer", format!("{} ({})", founder.name, founder.key.fingerprint())));
        }
    }
    if let Body::Statement(Statement { what: What::Policy(policy), .. }) = body {
        rows.push(("digest", policy.digest.to_string()));
        rows.push(("commit", Oid(policy.commit).to_string()));
        rows.push(("format", policy.format.to_string()));
    }
    if let Body::Statement(statement) = body {
        let seen = &statement.seen;
        rows.push(("saw", format!("{}, root {}", render::count(seen.size, "line"), seen.root)));
        if let Some(of) = statement.what.of() {
            rows.push(("of", of.to_string()));
        }
        if let What::Approval(approval) = &statement.what
            && !approval.comment.is_empty()
        {
            rows.push(("comment", render::quoted(&approval.comment)));
        }
    }
    rows
}
