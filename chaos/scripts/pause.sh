#!/bin/sh
# Stop a process and all below it (SIGSTOP), and let them continue (SIGCONT): what a long garbage
# collection or a stalled virtual machine looks like from outside. Its leases run out meanwhile.
#
#   pause.sh PID [--for 10s]
#
# Without --for until Ctrl-C. Only processes of your own. To heal by hand: kill -CONT PID.

set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

pid='' lasts=''
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage ;;
    --for) lasts=$(seconds "${2:?--for needs a length}"); shift ;;
    -*) die "unknown option $1" ;;
    *) pid=$1 ;;
    esac
    shift
done
[ -n "$pid" ] || usage 64
own_process "$pid"
victims=$(tree "$pid")

heal() {
    for victim in $victims; do
        kill -CONT "$victim" 2>/dev/null || :
    done
}

guard
for victim in $victims; do
    kill -STOP "$victim" 2>/dev/null || :
done
# Twice: a parent that was still running may have started one more meanwhile.
victims=$(tree "$pid")
for victim in $victims; do
    kill -STOP "$victim" 2>/dev/null || :
done
# shellcheck disable=SC2086 # one line of them
echo "paused:" $victims
hold "$lasts"
