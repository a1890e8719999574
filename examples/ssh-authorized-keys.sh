#!/usr/bin/env bash
# Lets ssh keys in while their owners have a grant for this machine: ssh-authorized-keys.sh ACCOUNT TYPE KEY
#
# For sshd_config; the script and the folders above it must belong to root and be writable by nobody else:
#   AuthorizedKeysCommand     /usr/local/lib/jit/ssh-authorized-keys.sh %u %t %k
#   AuthorizedKeysCommandUser jit-gate
#   AuthorizedKeysFile        none
#
# sshd runs it with the key that somebody offers, and then still has them prove that they hold it. What it prints are
# the keys that may come in; nothing means no. AuthorizedKeysFile none shuts the other door: keys in home folders.
# sshd asks when somebody logs in. A session that is open stays open when the grant ends.
#
# The user jit-gate needs to read the policy repo, and git to believe that its owner may be another:
#   sudo -u jit-gate git config --global --add safe.directory /srv/access
set -euo pipefail

# Change these. (Or set them in the environment, as the test does.)
account=${JIT_SSH_ACCOUNT:-ops}                          # the one Unix account that this opens
resource=${JIT_SSH_RESOURCE:-ssh/prod/$(hostname -s)}    # this machine's name in the policy
export JIT_REPO=${JIT_REPO:-/srv/access}                 # the policy repo
export JIT_GENESIS=${JIT_GENESIS:-unset}                 # the id of the log that this machine trusts
export PATH=$PATH:/usr/local/bin                         # where jit is; sshd itself looks in /usr/bin and /bin only

if (($# != 3)) || [[ $1 != "$account" ]]; then
    exit 0
fi
key="$2 $3"
# Of other kinds jit takes none: certificates, RSA, ECDSA.
if ! [[ $key =~ ^(ssh-ed25519|sk-ssh-ed25519@openssh\.com)\ [A-Za-z0-9+/]+=*$ ]]; then
    exit 0
fi

# What `jit check` says must not stand among the keys.
if jit check --ssh-key="$key" -- "$resource" access >&2; then
    # A shell, but no forwarding of ports or agents.
    printf 'restrict,pty %s\n' "$key"
fi
