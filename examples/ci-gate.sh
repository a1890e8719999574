#!/usr/bin/env bash
# A gate in front of a deploy step: ci-gate.sh RESOURCE ACTION COMMIT COMMAND [ARGUMENT]...
#
# Runs COMMAND only if the token in JIT_TOKEN is for a live grant of ACTION on RESOURCE that is bound to COMMIT.
# Otherwise it ends with the exit status of `jit check`: 1 denied, 3 pending, 4 untrusted, 5 unavailable. Keep it where
# the deploy secrets are, out of reach of the code that is deployed.
#
# The job that deploys asks first, with the service's key in JIT_KEY:
#   bind=sha256:$(printf %s "$COMMIT" | sha256sum | cut -d ' ' -f 1)
#   JIT_TOKEN=$(jit request deploy/api/prod deploy --reason "$COMMIT" --bind "$bind" --token)
#   export JIT_TOKEN
#   ci-gate.sh deploy/api/prod deploy "$COMMIT" ./deploy.sh
#
# Where the gate is another user than the one who ran `jit init`, it needs two more:
#   JIT_REPO     the policy repo
#   JIT_GENESIS  the id of the log that it trusts
set -euo pipefail

if (($# < 4)); then
    echo "usage: ci-gate.sh RESOURCE ACTION COMMIT COMMAND [ARGUMENT]..." >&2
    exit 2
fi
resource=$1 action=$2 commit=$3
shift 3

# Without a token `jit check` would ask for whoever runs the gate.
token=${JIT_TOKEN:-}
unset JIT_TOKEN
if [[ -z $token ]]; then
    echo "ci-gate: JIT_TOKEN is not set" >&2
    exit 1
fi

bind=sha256:$(printf %s "$commit" | sha256sum | cut -d ' ' -f 1)
printf %s "$token" | jit check --token - --bind "$bind" -- "$resource" "$action" >&2
exec "$@"
