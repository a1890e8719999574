#!/usr/bin/env bash
# Plays the main job of jit from start to end, with two people, in a folder that is thrown away: examples/quickstart.sh
#
# Each step prints the command, what it prints, and its exit status; one that ends otherwise than it should stops the
# script. It needs git, OpenSSH's client and, to build the program, Rust and a C compiler. Nothing of yours is read or
# changed: it has a HOME, keys and a configuration of its own, and only the build in target/ stays.
#
#   JIT   the program to use; without it, the one in this clone is built
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ -n ${JIT:-} ]]; then
    program=$(realpath -- "$JIT" 2>/dev/null) || program=$JIT
    if [[ ! -f $program || ! -x $program ]]; then
        echo "quickstart: JIT names no program: $JIT" >&2
        exit 1
    fi
else
    echo "Building jit: the first time, about two minutes on two cores"
    cargo build --locked --bin jit
    program=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/debug/jit
fi

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Nothing from outside: no agent, no configuration of git or jit, no folders of the user's.
unset SSH_AUTH_SOCK SSH_ASKPASS "${!JIT@}" "${!GIT_@}" "${!XDG_@}"
umask 022
export HOME=$work/home GIT_CONFIG_NOSYSTEM=1
mkdir -p "$work/bin" "$HOME/.ssh"
chmod 700 "$HOME/.ssh"
ln -s "$program" "$work/bin/jit"
export PATH="$work/bin:$PATH"
cd "$HOME"
answer=$work/answer

title() {
    printf '\n\n== %s\n' "$*"
}

# run STATUS WHO COMMAND: shows the command, runs it with WHO's key, and stops unless it ends with STATUS.
run() {
    local expected=$1 who=$2 command=$3 status=0
    printf '\n%s$ %s\n' "$who" "$command"
    JIT_KEY=$HOME/.ssh/$who bash -o pipefail -c "$command" >"$answer" 2>&1 </dev/null || status=$?
    cat "$answer"
    echo "[exit status $status]"
    if ((status != expected)); then
        echo "quickstart: that should have ended with $expected" >&2
        exit 1
    fi
}

title "Two people and their keys. In front of each command stands who runs it, with their own key (JIT_KEY)."
run 0 alice "ssh-keygen -q -t ed25519 -N '' -C alice -f .ssh/alice"
run 0 bob "ssh-keygen -q -t ed25519 -N '' -C bob -f .ssh/bob"

title "Alice makes a policy repo. While she is alone, nobody can approve what she asks for."
run 0 alice "git config --global user.name Alice && git config --global user.email alice@example.org"
run 0 alice "jit --quiet init access --as alice"
cd access

title "Bob joins: his public key and the groups he is in are a commit, which comes into force once Alice signs it."
run 0 alice "jit identity add bob ~/.ssh/bob.pub"
run 0 alice "sed -i 's/^members = \[\"alice\"/members = [\"alice\", \"bob\"/' identities/groups.toml"
run 0 alice "git add -A && git commit -q -m 'Bob joins, and is on call'"
run 0 alice "jit policy publish --yes"
run 0 bob "jit whoami"

title "Bob is on call, and asks for half an hour. The policy grants that at once: he waits for nobody."
run 0 bob "jit request db/prod/orders read --for 30m --reason 'INC-1234 orders are stuck'"
short=$(grep -om1 '[0-9a-f]\{64\}' "$answer")

title "The gate opens for him, for just that. He shows his key, or brings a token where his key is not."
run 0 bob "jit check db/prod/orders read"
run 0 bob "umask 077; jit token $short > ~/token"
run 0 gate "jit check db/prod/orders read --token-file ~/token"
run 1 gate "jit check db/prod/orders write --token-file ~/token"

title "He asks for three hours. The policy wants a second person for that, and he is not one."
run 3 bob "jit request db/prod/orders read --for 3h --reason 'INC-1234 orders are still stuck'"
long=$(grep -om1 '[0-9a-f]\{64\}' "$answer")
run 1 bob "jit approve $long --yes"

title "Alice sees who asks for what and why, and approves. (At a terminal, without --yes, she is asked.)"
run 0 alice "jit list --pending"
run 0 alice "jit approve $long --comment 'go ahead' --yes"
run 0 bob "jit check db/prod/orders read"

title "A stranger, whose key is not in the policy, can neither come in nor ask nor approve."
run 0 stranger "ssh-keygen -q -t ed25519 -N '' -C stranger -f ~/.ssh/stranger"
run 1 gate "jit check db/prod/orders read --ssh-key ~/.ssh/stranger.pub"
run 1 stranger "jit request db/prod/orders read --reason 'INC-1234 let me in'"
run 1 stranger "jit approve $long --yes"

title "The incident is over before the grants are. Alice revokes both, and the gate closes at its next look."
run 0 alice "jit revoke $short $long --reason 'INC-1234 is solved'"
run 1 bob "jit check db/prod/orders read"
run 1 gate "jit check db/prod/orders read --token-file ~/token"

title "The audit: every line, signature, root and commit, from the first one on."
run 0 auditor "jit audit log"
run 0 auditor "jit audit verify --strict"

title "One line of it by hand, without jit: Bob's first request, line 3, by the key that the policy in line 2 lists."
segment=audit/0000000000/0000000000/0000000000.jsonl
people=policy/0000000002/identities/bob.toml
run 0 auditor "git show jit/audit:$segment | sed -n 4p | tee ~/line"
run 0 auditor "sed 's/^{\"body\":\(.*\),\"sig\":\"[^\"]*\"}\$/\1/' ~/line | tr -d '\n' > ~/body"
run 0 auditor "{ echo '-----BEGIN SSH SIGNATURE-----'
    sed 's/.*,\"sig\":\"\([^\"]*\)\"}\$/\1/' ~/line | fold -w 70
    echo '-----END SSH SIGNATURE-----'; } > ~/sig"
run 0 auditor "git show jit/audit:$people | sed -n 's/^keys = \[\"\([^ ]* [^ \"]*\).*/bob \1/p' | tee ~/signers"
run 0 auditor "ssh-keygen -Y verify -n jit -f ~/signers -I bob -s ~/sig < ~/body"
run 0 auditor "echo '$short  body' | (cd && sha256sum --check)"

title "And if somebody rewrites the log, say to drop the revocation? Every machine that has seen it notices."
run 0 stranger "git update-ref refs/heads/jit/audit jit/audit~1"
run 4 gate "jit check db/prod/orders read --token-file ~/token"

printf '\n\nAll as it should be. %s is thrown away now.\n' "$work"
