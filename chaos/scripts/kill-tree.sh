#!/bin/sh
# Kill a process and all below it (SIGKILL), as a machine that loses its power does: nobody gets to
# say good-bye, and nothing is handed over.
#
#   kill-tree.sh PID
#
# Only processes of your own. There is nothing to heal: start it again yourself.

set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

case ${1:-} in
-h | --help) usage ;;
'') usage 64 ;;
-*) die "unknown option $1" ;;
esac
own_process "$1"
victims=$(tree "$1")
for victim in $victims; do # stopped first, so that no parent starts a child again
    kill -STOP "$victim" 2>/dev/null || :
done
victims=$(tree "$1")
for victim in $victims; do
    kill -KILL "$victim" 2>/dev/null || :
done
# shellcheck disable=SC2086 # one line of them
echo "killed:" $victims
