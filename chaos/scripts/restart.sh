#!/bin/sh
# Restart a Redis, PostgreSQL or ZooKeeper server of your own, with connections open: stopped in order
# (or killed), down for a while, and started again with the same command in the same directory.
#
#   restart.sh redis|postgres|zookeeper PID [--kill] [--down 3s] [-- COMMAND...]
#
# The command is read from the process unless it is given. Redis renames itself, so give its command:
#   restart.sh redis 4711 --down 2s -- redis-server /etc/redis.conf
# Once it is down, the server is started again however this script ends.

set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

what='' pid='' down=0 stop=''
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage ;;
    --kill) stop=KILL ;;
    --down) down=$(seconds "${2:?--down needs a length}"); shift ;;
    --) shift && break ;;
    -*) die "unknown option $1" ;;
    *) if [ -z "$what" ]; then what=$1; else pid=$1; fi ;;
    esac
    shift
done
[ -n "$pid" ] || usage 64
case $what in
redis) is=redis-server orderly=TERM ;;
postgres) is=postgres orderly=INT ;; # "fast": connections are ended, nothing is lost
zookeeper) is=zookeeper orderly=TERM ;;
*) die "unknown server $what: expected redis, postgres or zookeeper" ;;
esac
own_process "$pid"
tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qi "$is" || die "process $pid is no $what: left alone"
[ $# -gt 0 ] || [ "$what" != redis ] || die "redis renames itself: give its command after --"
where=$(readlink "/proc/$pid/cwd")
command=$(mktemp)
if [ $# -gt 0 ]; then printf '%s\0' "$@" >"$command"; else cat "/proc/$pid/cmdline" >"$command"; fi
is_down=''

heal() {
    # Whoever is first, this script or its watcher, takes the command and starts the server.
    if [ -n "$is_down" ] && mv "$command" "$command.taken" 2>/dev/null; then
        cd "$where" && xargs -0 setsid --fork <"$command.taken" >/dev/null 2>&1
        rm -f "$command.taken"
    fi
    rm -f "$command"
}

is_down=yes
guard
victims=$(tree "$pid")
kill -s "${stop:-$orderly}" "$pid"
if [ -n "$stop" ]; then
    for victim in $victims; do kill -KILL "$victim" 2>/dev/null || :; done
fi
patience=100
while [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; do
    patience=$((patience - 1))
    [ $patience -gt 0 ] || die "process $pid did not end within 10 s"
    sleep 0.1
done
echo "$what is down"
[ "$down" = 0 ] || hold "$down"
heal
echo "$what is started again"
