//! `jit check`: the gate.

use std::path::PathBuf;

use serde::Serialize;

use super::context::{Context, Me};
use super::exit::{Exit, Failure};
use super::freshness::describe_age;
use super::json::{self, GrantJson, LogJson, PolicyJson, ReasonJson};
use super::ledger::{Age, Ledger};
use super::render::{self, Role};
use super::statement;
use super::text::check_text;
use crate::core::decide::{self, Answer, Decision, Question, Shown};
use crate::core::evaluate::{self, Approvers, Ask, Given};
use crate::core::explain::explain as core_explain;
use crate::core::key::{KeyError, PublicKey};
use crate::core::ledger::{RequestRecord, approvers};
use crate::core::name::{Name, Resource};
use crate::core::reason::{Code, Reason};
use crate::core::statement::{Bind, Body, Presentation, What};
use crate::core::time::{Duration, Timestamp};
use crate::core::token::MAX_TOKEN_LEN;
use crate::core::view::{View, ViewExt};
use crate::edge::secret_file;

/// A grant's id is public and authenticates nobody. Use --subject and --ssh-key only in a gate that has authenticated
/// the subject itself: by a login name from the CI host, or by an ssh key that sshd has checked. Everybody else brings a
/// token. With none of these (and no JIT_TOKEN) it asks for the caller's own identity, shown by a signature that is made
/// and verified in memory.
#[derive(clap::Args, Debug)]
pub(super) struct CheckArgs {
    /// What is to be accessed, such as db/prod/orders
    resource: Resource,
    /// What is to be done to it
    #[arg(default_value = "access")]
    action: Name,
    /// Read a token from standard input: only `-` is taken here, since every process sees arguments
    #[arg(long, value_name = "-", group = "shown")]
    token: Option<String>,
    /// Read a token from a file that only this user can read
    #[arg(long, value_name = "F", group = "shown")]
    token_file: Option<PathBuf>,
    /// The subject, whom this gate has authenticated itself
    #[arg(long, value_name = "S", group = "shown")]
    subject: Option<Name>,
    /// The subject's public key, whose holder this gate has authenticated itself: `TYPE BASE64`, or a .pub file
    #[arg(long, value_name = "K", group = "shown")]
    ssh_key: Option<String>,
    /// What the grant must be bound to: sha256: and 64 hex digits
    #[arg(long, value_name = "H")]
    bind: Option<Bind>,
    /// This gate's own name; a token must then be for it
    #[arg(long, value_name = "T", conflicts_with_all = ["subject", "ssh_key"])]
    audience: Option<String>,
    /// The oldest data to answer from; can only shorten what the policy says
    #[arg(long, value_name = "D")]
    max_age: Option<Duration>,
    /// Trust the log of this genesis, and demand that it extends this size and root
    #[arg(long, value_name = "ID[:SIZE:ROOT]")]
    genesis: Option<String>,
    /// Also show every rule about the resource and which of its conditions are met; the answer and the exit status are the
    /// same
    #[arg(long)]
    explain: bool,
}

#[derive(Serialize)]
struct CheckAnswer {
    decision: &'static str,
    reasons: Vec<ReasonJson>,
    grant: Option<GrantJson>,
    valid_until: Option<String>,
    policy: Option<PolicyJson>,
    log: Option<LogJson>,
    age_s: Option<u64>,
    checked_at: String,
}

pub(super) fn run(cx: &mut Context<'_>, args: &CheckArgs) -> anyhow::Result<Exit> {
    let now = cx.world.now();
    match ask(cx, args, now) {
        Ok((ledger, decision, subject)) => {
            let exit = answer(cx, args, Some(&ledger), &decision, now)?;
            if args.explain {
                explain(cx, args, &ledger, subject.as_ref(), now)?;
            }
            ledger.leave();
            Ok(exit)
        }
        Err(error) => {
            // A gate that can't be sure says no; what is wrong with the command line itself is a usage error.
            let failure = Failure::from_error(&error);
            let Some(decision) = failure.decision() else { return Err(error) };
            answer(cx, args, None, &decision, now)?;
            if let Some(help) = &failure.help {
                cx.world.warn(&format!("  help: {help}"));
            }
            Ok(failure.exit)
        }
    }
}

fn ask(cx: &mut Context<'_>, args: &CheckArgs, now: Timestamp) -> anyhow::Result<(Ledger, Decision, Option<Name>)> {
    if let Some(audience) = &args.audience {
        check_text("--audience", audience)?;
    }
    let token = read_token(cx, args)?;
    let key = args.ssh_key.as_deref().map(|text| read_key(cx, text)).transpose()?;
    let ledger = cx.gate_ledger(args.genesis.as_deref(), args.max_age)?;
    let mut question = Question {
        resource: &args.resource,
        action: &args.action,
        bind: args.bind,
        shown: Shown::Token { text: "", audience: args.audience.as_deref() },
    };
    let own;
    question.shown = match (&token, &args.subject, &key) {
        (Some(text), _, _) => Shown::Token { text, audience: args.audience.as_deref() },
        (None, Some(subject), _) => Shown::Subject(subject),
        (None, None, Some(key)) => Shown::Key(key),
        (None, None, None) => {
            if args.audience.is_some() {
                return Err(Failure::usage("--audience goes with a token")
                    .help("give one with `--token -`, --token-file or JIT_TOKEN")
                    .into());
            }
            own = prove_own_key(cx, &ledger, now)?;
            Shown::Key(&own)
        }
    };
    let decision = match &ledger.age {
        Age::Stale { reason, .. } => Decision::deny(Reason::new(Code::Stale, reason.clone())),
        Age::OwnTruth | Age::Fetched(_) | Age::Unknown => decide::decide(&ledger.view, &question, now),
    };
    let subject = match &question.shown {
        Shown::Subject(subject) => Some((*subject).clone()),
        Shown::Key(key) => ledger.view.owner_of(key),
        // Whoever carries a token is the one it was granted to; of one that is no good nothing is believed.
        Shown::Token { .. } => decision.grant.as_ref().map(|grant| grant.subject.clone()),
    };
    Ok((ledger, decision, subject))
}

/// Shows every rule that is about the resource, as it takes the subject's newest request for it. The talk of a gate that
/// answers in JSON is on standard error.
fn explain(
    cx: &mut Context<'_>,
    args: &CheckArgs,
    ledger: &Ledger,
    subject: Option<&Name>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let view = &ledger.view;
    let mut texts = Vec::new();
    match (view.rules(), subject) {
        (Some(policy), Some(subject)) if policy.identity(subject).is_some() => {
            let record = view
                .requests_for(subject, &args.resource, &args.action, None)
                .into_iter()
                .max_by_key(|record| record.index);
            let people = record.as_ref().map(|record| who_approved(view, record)).unwrap_or_default();
            let usual = || evaluate::default_duration(&policy, subject, &args.resource, &args.action, now);
            let ask = match &record {
                // Whom a rule is for, and its hours, are asked at the check.
                Some(record) => Ask { at: now, ..record.ask() },
                None => Ask {
                    subject,
                    resource: &args.resource,
                    action: &args.action,
                    duration: usual().unwrap_or(Duration::MAX),
                    reason: "",
                    by_hardware_key: false,
                    at: now,
                },
            };
            let of = match &record {
                Some(record) => format!("request {}", record.id.short()),
                None => "no request: a reason, a security key and approvals are missing".to_owned(),
            };
            texts.push(format!("{subject}, {} on {}, by {of}:", args.action, args.resource));
            let explained = core_explain(&policy, &ask, &people);
            if explained.is_empty() {
                texts.push(format!("No rule is about `{}`, so nobody may have it.", args.resource));
            }
            let coloured = if cx.json() { cx.coloured_talk() } else { cx.coloured() };
            texts.extend(explained.iter().map(|one| super::policy::describe_rule(coloured, one)));
        }
        (None, _) => texts.push("There is no policy to explain it by.".to_owned()),
        (Some(_), _) => texts.push("Nobody who is known asks, so no rule is asked.".to_owned()),
    }
    let text = match view.failure() {
        Some(why) => why,
        None => texts.join("\n"),
    };
    if cx.json() {
        cx.world.warn(&text);
        return Ok(());
    }
    cx.print(&format!("\n{text}"))
}

/// Returns whose approvals a request has: those that a grant counted, and of one that waits those that count now.
fn who_approved(view: &impl View, record: &RequestRecord) -> Approvers {
    match record.grant() {
        Some(grant) => {
            let mut people = Approvers::new();
            for one in &grant.counted {
                let given = Given { by_hardware_key: one.key.is_security_key(), at: one.at };
                people.entry(one.by.clone()).or_default().push(given);
            }
            people
        }
        None => approvers(view, record),
    }
}

/// Reads the token that the command line or the environment names.
fn read_token(cx: &mut Context<'_>, args: &CheckArgs) -> anyhow::Result<Option<String>> {
    let bytes = if let Some(named) = &args.token {
        if named != "-" {
            let text = "a token is never taken from the command line, where every process on the machine can read it";
            return Err(Failure::usage(text)
                .help("give it on standard input with `--token -`, or in a file with --token-file")
                .into());
        }
        match cx.world.read_stdin(MAX_TOKEN_LEN + 1) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == std::io::ErrorKind::FileTooLarge => too_long(),
            Err(why) => {
                let text = format!("can't read the token from standard input: {why}");
                return Err(Failure::unavailable(text).into());
            }
        }
    } else if let Some(path) = &args.token_file {
        match secret_file::read(&cx.world.cwd().join(path), MAX_TOKEN_LEN as u64 + 1) {
            Ok(bytes) => bytes,
            Err(fault) if fault.is_too_large() => too_long(),
            Err(fault) => {
                return Err(Failure { help: fault.help(), ..Failure::unavailable(fault.to_string()) }.into());
            }
        }
    } else if args.subject.is_none() && args.ssh_key.is_none() {
        match cx.world.var_checked("JIT_TOKEN") {
            Ok(Some(token)) => token.into_bytes(),
            Ok(None) => return Ok(None),
            // It is set, to what is no text.
            Err(_) => Vec::new(),
        }
    } else {
        return Ok(None);
    };
    // Text that is not UTF-8 is no token; the decision says so.
    let text = String::from_utf8(bytes).unwrap_or_default();
    Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Stands for a token that is too long to be read. It is denied like any other bad one, by the decision: a gate that can't
/// trust its log says so first.
fn too_long() -> Vec<u8> {
    vec![b' '; MAX_TOKEN_LEN + 1]
}

/// Reads the key that a gate has authenticated: as sshd passes it (`%t %k`), or from a file.
fn read_key(cx: &Context<'_>, text: &str) -> anyhow::Result<PublicKey> {
    let shown = render::safe(text);
    let line = if text.contains(' ') {
        text.to_owned()
    } else {
        let file = secret_file::read_public(&cx.world.cwd().join(text), 16 * 1024)
            .map_err(|fault| Failure::usage(fault.to_string()).help("give it as `TYPE BASE64`, or name a .pub file"))?;
        String::from_utf8(file).map_err(|_| Failure::usage(format!("{shown} is no text file")))?
    };
    match PublicKey::parse_openssh(&line) {
        Ok((key, _)) => Ok(key),
        Err(why @ KeyError::Form) => Err(Failure::usage(format!("--ssh-key: {why}")).into()),
        // sshd asks about whatever a client offers. A key that no identity can have is nobody's.
        Err(why @ (KeyError::Certificate | KeyError::Kind(_) | KeyError::Weak | KeyError::Application)) => {
            Err(Failure { code: Some(Code::UnknownSubject), ..Failure::denied(why.to_string()) }.into())
        }
    }
}

/// Shows that the caller holds their key: signs a presentation of nothing, valid for no time, and checks it.
fn prove_own_key(cx: &mut Context<'_>, ledger: &Ledger, now: Timestamp) -> anyhow::Result<PublicKey> {
    let signer = cx.signer(Some(&ledger.repo), &|key| ledger.view.owner_of(key).is_some())?;
    let key = signer.public_key().clone();
    // A key that is nobody's needs no proof: the answer is no.
    let Some(name) = ledger.view.owner_of(&key) else { return Ok(key) };
    let mut me = Me { name, signer };
    let of = ledger.genesis_id();
    let what = What::Presentation(Presentation { of, audience: None, expires: now });
    let statement = statement::compose(cx, ledger, &me, now, what)?;
    let line = statement::sign(cx, &mut me, &Body::Statement(statement))?;
    let verified = line.verify().map_err(|why| Failure::unavailable(format!("your own signature: {why}")))?;
    Ok(verified.key().clone())
}

/// Returns a command that leads on, where there is one.
fn next_step(args: &CheckArgs, decision: &Decision) -> Option<String> {
    decision.reasons.iter().find_map(|reason| match reason.code {
        Code::NoGrant | Code::Expired | Code::Lapsed => {
            let action = if args.action.as_str() == "access" { String::new() } else { format!(" {}", args.action) };
            Some(format!("`jit request {}{action}` asks for it", args.resource))
        }
        Code::Lockdown => Some("`jit list` shows what is locked down; once that is lifted, ask again".to_owned()),
        Code::NeedsApproval => Some("`jit list --pending` shows who asked, `jit show ID` who can approve".to_owned()),
        Code::PolicyUnverified => Some("`jit policy status` shows what is missing".to_owned()),
        _ => None,
    })
}

fn answer(
    cx: &mut Context<'_>,
    args: &CheckArgs,
    ledger: Option<&Ledger>,
    decision: &Decision,
    now: Timestamp,
) -> anyhow::Result<Exit> {
    let view = ledger.map(|ledger| &ledger.view);
    cx.answers_for_itself();
    if cx.json() {
        cx.print_json(&CheckAnswer {
            decision: decision.answer.as_str(),
            reasons: json::reasons(&decision.reasons),
            grant: decision.grant.as_ref().map(GrantJson::from),
            valid_until: decision.valid_until.map(|time| time.to_string()),
            policy: view.and_then(|view| view.policy_record()).as_deref().map(PolicyJson::from),
            log: view.and_then(json::log),
            age_s: ledger.and_then(|ledger| ledger.age.seconds()),
            checked_at: now.to_string(),
        })?;
    } else {
        let role = match decision.answer {
            Answer::Allow => Role::Good,
            Answer::Pending => Role::Waiting,
            Answer::Deny => Role::Bad,
        };
        let word = render::paint(cx.coloured(), role, decision.answer.as_str());
        let mut lines = vec![word];
        lines.push(super::verdict::describe_reasons(&decision.reasons));
        if let Some(Age::Fetched(seconds @ 1..)) = ledger.map(|ledger| &ledger.age) {
            lines.push(format!("  by the log as it was {}", describe_age(*seconds)));
        }
        if let (Some(grant), Some(until)) = (&decision.grant, decision.valid_until) {
            lines.push(format!("  {} left, grant {}", render::left(now, until), grant.id.short()));
        }
        cx.print(&lines.join("\n"))?;
        if let Some(help) = next_step(args, decision) {
            cx.world.say(&format!("  help: {help}"));
        }
    }
    if let Some(Age::Stale { help: Some(help), .. }) = ledger.map(|ledger| &ledger.age) {
        cx.world.say(&format!("  help: {help}"));
    }
    Ok(Exit::of(decision.answer, &decision.reasons))
}
