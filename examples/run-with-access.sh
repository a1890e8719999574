#!/usr/bin/env bash
# Runs a command while you have access, and ends it when the grant ends:
#   run-with-access.sh RESOURCE ACTION COMMAND [ARGUMENT]...
#
#   run-with-access.sh db/prod/orders read psql service=orders    # such as this
#
# Whoever runs it shows their own key. Without a live grant it ends with the exit status of `jit check`: 1 denied, 3
# pending, 4 untrusted, 5 unavailable; otherwise with the command's own, or 124 where the grant ended first. A
# revocation is seen when the command starts, not while it runs. It is a help to those who mean well: whoever can start
# COMMAND without it needs no grant. To hold others off, have the thing behind COMMAND ask for itself.
set -euo pipefail

if (($# < 3)); then
    echo "usage: run-with-access.sh RESOURCE ACTION COMMAND [ARGUMENT]..." >&2
    exit 2
fi
resource=$1 action=$2
shift 2

# A token from outside would speak for somebody else.
unset JIT_TOKEN
answer=$(jit check --json -- "$resource" "$action") || {
    status=$?
    jit check -- "$resource" "$action" >&2 || true
    exit "$status"
}
# Quotes inside a reason are escaped in JSON, so free text can't look like this field.
until=$(sed -n 's/.*"valid_until":"\([0-9TZ:-]*\)".*/\1/p' <<<"$answer")
left=$(($(date -d "$until" +%s) - $(date +%s)))
if ((left <= 0)); then
    echo "run-with-access: the grant has just ended" >&2
    exit 1
fi
exec timeout --foreground --kill-after=10s "$left" "$@"
