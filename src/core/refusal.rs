//! Why a git host refused a push: which of its rules, as far as its words say.
//!
//! Hosts say it in prose that no standard holds them to, so this is a table of what they say, and of what to change on
//! them. What no row knows is no rule that can be named: then the words themselves have to do. They come from outside
//! and are compared, never shown from here.

use std::fmt;

/// A rule of a host that keeps a push out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Changes come by pull (merge) requests only.
    PullRequest,
    /// A check of the host's has to have passed on the commit.
    StatusChecks,
    /// Commits carry a signature that the host knows.
    SignedCommits,
    /// Commits have one parent.
    LinearHistory,
    /// Nobody may overwrite the branch.
    NoForce,
    /// Nobody may delete the branch.
    NoDeletion,
    /// Nobody may make such a branch.
    NoCreation,
    /// Nobody may change such a branch.
    NoUpdate,
    /// Who pushes, or whom a commit names, has to be somebody that the host knows by e-mail address.
    KnownAuthor,
    /// A commit's message has to be of some form.
    Message,
    /// What is pushed may be no larger than the host allows.
    Size,
    /// The repository takes no pushes: archived, or a mirror.
    ReadOnly,
    /// Git on the host refuses damaged or odd objects.
    Objects,
    /// The branch is protected, and who pushes is not among those who may.
    Protected,
    /// Who pushes may only read.
    NoRight,
    /// A hook on the host said no.
    Hook,
}

/// Whose words they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// GitHub, and its Enterprise Server.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea.
    Gitea,
    /// Forgejo.
    Forgejo,
    /// Bitbucket, Cloud or Data Center.
    Bitbucket,
    /// Gerrit.
    Gerrit,
    /// Azure DevOps.
    Azure,
}

/// What is known of a refused push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whose words they are, if that is known.
    pub host: Option<Host>,
    /// The rules they name, at least one, the most telling first.
    pub rules: Vec<Rule>,
}

/// What stands in a host's words, in lower case, and the rule it names. A rule further down is not named beside one
/// further up where [`is_general`] says so.
const WORDS: [(&str, Rule); 57] = [
    // GitHub lists the rules of GH006 (branch protection) and GH013 (rulesets) one a line.
    ("must be made through a pull request", Rule::PullRequest),
    ("must be made through the merge queue", Rule::PullRequest),
    ("approving review is required", Rule::PullRequest),
    ("approving reviews are required", Rule::PullRequest),
    // Bitbucket Data Center
    ("can only be modified through pull requests", Rule::PullRequest),
    // Azure DevOps
    ("tf402455", Rule::PullRequest),
    ("must use a pull request", Rule::PullRequest),
    ("required status check", Rule::StatusChecks),
    ("required workflow", Rule::StatusChecks),
    ("required deployment", Rule::StatusChecks),
    ("code scanning is waiting", Rule::StatusChecks),
    ("must have verified signatures", Rule::SignedCommits),
    ("must have valid signatures", Rule::SignedCommits),
    ("commit must be signed with", Rule::SignedCommits),
    // Gitea and Forgejo
    ("is protected from unverified commit", Rule::SignedCommits),
    ("must not contain merge commits", Rule::LinearHistory),
    ("cannot force-push", Rule::NoForce),
    ("force push code to a protected branch", Rule::NoForce),
    ("is protected from force push", Rule::NoForce),
    ("not allowed to force-push", Rule::NoForce),
    // Azure DevOps
    ("tf401027: you need the git 'forcepush'", Rule::NoForce),
    ("tf401028", Rule::NoForce),
    // Git's own receive.denyNonFastForwards
    ("denying non-fast-forward", Rule::NoForce),
    // Gerrit
    ("need 'push' rights with the 'force", Rule::NoForce),
    ("cannot delete this", Rule::NoDeletion),
    ("is protected from deletion", Rule::NoDeletion),
    ("not allowed to delete protected branches", Rule::NoDeletion),
    // Git's own receive.denyDeletes
    ("denying ref deletion", Rule::NoDeletion),
    ("deletion prohibited", Rule::NoDeletion),
    ("creations being restricted", Rule::NoCreation),
    ("not allowed to create protected branches", Rule::NoCreation),
    ("cannot update this protected ref", Rule::NoUpdate),
    ("cannot update this protected branch", Rule::NoUpdate),
    ("gh007", Rule::KnownAuthor),
    ("is not a member of team", Rule::KnownAuthor),
    ("does not follow the pattern", Rule::Message),
    ("commit message must match", Rule::Message),
    ("gh001", Rule::Size),
    ("exceeds maximum allowed size", Rule::Size),
    ("push exceeds", Rule::Size),
    ("repository was archived", Rule::ReadOnly),
    ("repository is archived", Rule::ReadOnly),
    ("read-only", Rule::ReadOnly),
    ("project state does not permit write", Rule::ReadOnly),
    ("unpacker error", Rule::Objects),
    ("fsck error", Rule::Objects),
    // What only says that there is some rule.
    ("not allowed to push code to protected branches", Rule::Protected),
    ("not allowed to push to protected branch", Rule::Protected),
    ("gh006", Rule::Protected),
    ("gh013", Rule::Protected),
    ("protected branch hook declined", Rule::Protected),
    ("permission denied to update branch", Rule::Protected),
    ("prohibited by gerrit", Rule::Protected),
    ("permission to", Rule::NoRight),
    ("you are not allowed to push code to this project", Rule::NoRight),
    ("not permitted", Rule::NoRight),
    ("hook declined", Rule::Hook),
];

/// What gives a host away, in lower case; a name of its own first, the codes after.
const SIGNS: [(&str, Host); 12] = [
    ("gitlab:", Host::GitLab),
    ("gitea:", Host::Gitea),
    ("forgejo:", Host::Forgejo),
    ("gh006", Host::GitHub),
    ("gh013", Host::GitHub),
    ("gh001", Host::GitHub),
    ("gh007", Host::GitHub),
    ("bitbucket", Host::Bitbucket),
    ("check your branch permissions configuration", Host::Bitbucket),
    ("prohibited by gerrit", Host::Gerrit),
    ("tf4024", Host::Azure),
    ("tf40102", Host::Azure),
];

/// Tells whether a rule only says that there is one, which is nothing new beside a more telling one.
fn is_general(rule: Rule) -> bool {
    match rule {
        Rule::Protected | Rule::NoRight | Rule::Hook => true,
        Rule::PullRequest
        | Rule::StatusChecks
        | Rule::SignedCommits
        | Rule::LinearHistory
        | Rule::NoForce
        | Rule::NoDeletion
        | Rule::NoCreation
        | Rule::NoUpdate
        | Rule::KnownAuthor
        | Rule::Message
        | Rule::Size
        | Rule::ReadOnly
        | Rule::Objects => false,
    }
}

/// Finds the rules that the words of a refused push name; none if no rule is known by them.
pub fn classify(said: &str) -> Option<Refusal> {
    let said = said.to_ascii_lowercase();
    let mut rules: Vec<Rule> = Vec::new();
    for (words, rule) in WORDS {
        let is_new = !rules.contains(&rule) && (rules.is_empty() || !is_general(rule));
        if is_new && said.contains(words) {
            rules.push(rule);
        }
    }
    let host = SIGNS.iter().find(|(words, _)| said.contains(words)).map(|(_, host)| *host);
    // Gitea and Forgejo, of which one is the other's, name themselves; Bitbucket Cloud does not.
    let host = host.or_else(|| said.contains("permission denied to update branch").then_some(Host::Bitbucket));
    (!rules.is_empty()).then_some(Refusal { host, rules })
}

impl Refusal {
    /// Returns what to change, and where, so that `branch` takes such a push.
    pub fn help(&self, branch: &str) -> String {
        let first = self.rules.first().copied().unwrap_or(Rule::Hook);
        let change = match first {
            Rule::PullRequest => {
                format!("let those who may ask or approve push to {branch} directly, without a pull request")
            }
            Rule::StatusChecks => format!("demand no status checks for {branch}: nothing is built there"),
            Rule::SignedCommits => {
                format!("demand no signed commits for {branch}: its lines are signed, whoever commits them")
            }
            Rule::LinearHistory => {
                format!("find who merged into {branch}: jit never does; `jit audit verify` names the commit")
            }
            Rule::NoForce if branch.starts_with("jit/witness/") => {
                format!("let the witness overwrite {branch}, and nothing else")
            }
            Rule::NoForce => format!("nothing: {branch} is never overwritten; run the command again"),
            Rule::NoDeletion => format!("nothing: {branch} is never deleted"),
            Rule::NoCreation => format!("let {branch} be made, or have an administrator push it once"),
            Rule::NoUpdate | Rule::Protected => {
                format!(
                    "let those who may ask or approve push to {branch}; keep forced pushes, deletion and merges out"
                )
            }
            Rule::KnownAuthor => {
                "set an e-mail address that the host knows you by: git config user.email ADDRESS".to_owned()
            }
            Rule::Message => format!("demand no form of commit messages for {branch}"),
            Rule::Size => {
                "what is pushed is a few kilobytes: see what else stands between, with `git push` by hand".to_owned()
            }
            Rule::ReadOnly => "have the repository take pushes again, or move the log to one that does".to_owned(),
            Rule::Objects => {
                "`git fsck` shows what is damaged here; a fresh `jit clone` has it from the host".to_owned()
            }
            Rule::NoRight => {
                "have yourself, or the key or token that git uses, given the right to write to it".to_owned()
            }
            Rule::Hook => format!("see what the hook says above; whoever runs the host can change it for {branch}"),
        };
        match self.host.and_then(|host| host.place(first)) {
            Some(place) => format!("{change} ({place})"),
            None => change,
        }
    }
}

impl Host {
    /// Returns where on the host the rules about a branch are, where they are what is to be changed.
    fn place(self, rule: Rule) -> Option<&'static str> {
        match rule {
            Rule::KnownAuthor | Rule::Size | Rule::Objects | Rule::LinearHistory => return None,
            Rule::PullRequest
            | Rule::StatusChecks
            | Rule::SignedCommits
            | Rule::NoForce
            | Rule::NoDeletion
            | Rule::NoCreation
            | Rule::NoUpdate
            | Rule::Message
            | Rule::ReadOnly
            | Rule::Protected
            | Rule::NoRight
            | Rule::Hook => {}
        }
        Some(match self {
            Host::GitHub => "GitHub: Settings, Rules and Branches",
            Host::GitLab => "GitLab: Settings, Repository, Protected branches and Push rules",
            Host::Gitea => "Gitea: Settings, Branches",
            Host::Forgejo => "Forgejo: Settings, Branches",
            Host::Bitbucket => "Bitbucket: Repository settings, Branch restrictions",
            Host::Gerrit => "Gerrit: Access, the right Push on refs/heads/jit/*",
            Host::Azure => "Azure DevOps: Project settings, Repositories, Policies and Security",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, rule) in self.rules.iter().enumerate() {
            if place > 0 {
                f.write_str("; ")?;
            }
            rule.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::PullRequest => "it takes changes by pull request only",
            Rule::StatusChecks => "it demands that checks have passed on the commit",
            Rule::SignedCommits => "it demands signed commits",
            Rule::LinearHistory => "it takes no merge commits",
            Rule::NoForce => "it takes no forced push",
            Rule::NoDeletion => "it lets nobody delete the branch",
            Rule::NoCreation => "it lets nobody make the branch",
            Rule::NoUpdate => "it lets nobody change the branch",
            Rule::KnownAuthor => "it does not take commits by this author",
            Rule::Message => "it demands commit messages of another form",
            Rule::Size => "it takes nothing that large",
            Rule::ReadOnly => "the repository is read-only",
            Rule::Objects => "git there finds the objects damaged, or could not store them",
            Rule::Protected => "the branch is protected, and you are not among those who may push to it",
            Rule::NoRight => "you have no right to push there",
            Rule::Hook => "a hook on the host said no",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What hosts say, as git prints it with `--porcelain`: the reason in the status, then what stands on standard error.
    #[test]
    fn the_words_of_hosts() {
        use Rule::*;
        let table: [(&str, Option<Host>, &[Rule]); 19] = [
            (
                "[remote rejected] (push declined due to repository rule violations)\n\
                 remote: error: GH013: Repository rule violations found for refs/heads/jit/audit.\n\
                 remote: Review all repository rules at https://github.com/o/r/rules?ref=refs%2Fheads%2Fjit%2Faudit\n\
                 remote:\nremote: - Changes must be made through a pull request.\nremote:\n\
                 remote: - Commits must have verified signatures.\nremote:   Found 1 violation:\n\
                 remote:\nremote:   8a7b\nremote:\nremote: - Required status check \"build\" is expected.\n",
                Some(Host::GitHub),
                &[PullRequest, StatusChecks, SignedCommits],
            ),
            (
                "[remote rejected] (protected branch hook declined)\n\
                 remote: error: GH006: Protected branch update failed for refs/heads/jit/audit.\n\
                 remote: error: Changes must be made through a pull request. 4 of 4 required status checks are expected.\n",
                Some(Host::GitHub),
                &[PullRequest, StatusChecks],
            ),
            (
                "[remote rejected] (protected branch hook declined)\n\
                 remote: error: GH006: Protected branch update failed for refs/heads/jit/audit.\n\
                 remote: error: Cannot force-push to this protected branch\n",
                Some(Host::GitHub),
                &[NoForce],
            ),
            (
                "[remote rejected] (protected branch hook declined)\n\
                 remote: error: GH006: Protected branch update failed for refs/heads/jit/audit.\n\
                 remote: error: You're not authorized to push to this branch.\n",
                Some(Host::GitHub),
                &[Protected],
            ),
            (
                "remote: error: GH013: Repository rule violations found for refs/heads/jit/audit.\n\
                 remote: - This branch must not contain merge commits.\n",
                Some(Host::GitHub),
                &[LinearHistory],
            ),
            (
                "remote: error: GH013: Repository rule violations found for refs/heads/jit/audit.\n\
                 remote: - Cannot create ref due to creations being restricted.\n",
                Some(Host::GitHub),
                &[NoCreation],
            ),
            (
                "remote: Permission to o/r.git denied to bob.\n\
                 fatal: unable to access 'https://github.com/o/r.git/': The requested URL returned error: 403\n",
                None,
                &[NoRight],
            ),
            (
                "[remote rejected] (pre-receive hook declined)\n\
                 remote: GitLab: You are not allowed to push code to protected branches on this project.\n",
                Some(Host::GitLab),
                &[Protected],
            ),
            (
                "[remote rejected] (pre-receive hook declined)\n\
                 remote: GitLab: You are not allowed to force push code to a protected branch on this project.\n",
                Some(Host::GitLab),
                &[NoForce],
            ),
            (
                "[remote rejected] (pre-receive hook declined)\n\
                 remote: GitLab: Commit message does not follow the pattern '^[A-Z]'\n",
                Some(Host::GitLab),
                &[Message],
            ),
            (
                "[remote rejected] (pre-receive hook declined)\nremote: Gitea: Not allowed to push to protected branch jit/audit\n",
                Some(Host::Gitea),
                &[Protected],
            ),
            (
                "[remote rejected] (pre-receive hook declined)\n\
                 remote: Forgejo: branch jit/audit is protected from unverified commit 8a7b\n",
                Some(Host::Forgejo),
                &[SignedCommits],
            ),
            (
                "[remote rejected] (pre-receive hook declined)\n\
                 remote: Branch refs/heads/jit/audit can only be modified through pull requests.\n\
                 remote: Check your branch permissions configuration with the project administrator.\n",
                Some(Host::Bitbucket),
                &[PullRequest],
            ),
            (
                "[remote rejected] (pre-receive hook declined)\nremote: Permission denied to update branch jit/audit.\n",
                Some(Host::Bitbucket),
                &[Protected],
            ),
            (
                "[remote rejected] (prohibited by Gerrit: not permitted: update)\n\
                 remote: To push into this reference you need 'Push' rights.\n",
                Some(Host::Gerrit),
                &[Protected],
            ),
            (
                "[remote rejected] (TF402455: Pushes to this branch are not permitted; you must use a pull request to \
                 update this branch.)\n",
                Some(Host::Azure),
                &[PullRequest],
            ),
            (
                "[remote rejected] (non-fast-forward)\n\
                 remote: error: denying non-fast-forward refs/heads/jit/audit (you should pull first)\n",
                None,
                &[NoForce],
            ),
            (
                "[remote rejected] (deletion prohibited)\nremote: error: denying ref deletion for refs/heads/jit/audit\n",
                None,
                &[NoDeletion],
            ),
            ("[remote rejected] (hook declined)\nremote: no pushes today\n", None, &[Hook]),
        ];
        for (said, host, rules) in table {
            let refusal = classify(said).unwrap_or_else(|| panic!("{said}"));
            assert_eq!((refusal.host, refusal.rules.as_slice()), (host, rules), "{said}");
            assert!(refusal.help("jit/audit").len() > 10 && !refusal.to_string().is_empty());
        }
    }

    #[test]
    fn words_that_name_no_rule() {
        for said in ["", "\u{1b}[31mno", "[remote rejected] (internal server error)", "fatal: the remote end hung up"] {
            assert_eq!(classify(said), None, "{said}");
        }
    }

    #[test]
    fn each_row_is_found_by_its_own_words() {
        for (words, rule) in WORDS {
            assert_eq!(words, words.to_ascii_lowercase());
            let found = classify(words).unwrap();
            assert!(found.rules.contains(&rule), "{words}: {found:?}");
        }
    }

    #[test]
    fn a_witness_is_told_of_its_own_branch() {
        let refusal = classify("denying non-fast-forward refs/heads/jit/witness/w1").unwrap();
        assert_eq!(refusal.help("jit/witness/w1"), "let the witness overwrite jit/witness/w1, and nothing else");
        let github = classify("GH013\n- Changes must be made through a pull request.").unwrap();
        assert!(github.help("jit/audit").ends_with("(GitHub: Settings, Rules and Branches)"));
    }
}
