# What the scripts beside this file share. Sourced, not run; POSIX sh.
#
# A script defines heal(), which undoes what it did and may be called twice, and calls `guard` before
# it breaks anything: heal then runs at the end, on an error, on Ctrl-C and SIGTERM, and also, by a
# small watcher, within half a second after the script was killed with SIGKILL.
# shellcheck shell=sh

# die WORDS... - the arguments cannot be used.
die() {
    echo "${0##*/}: $*" >&2
    exit 64
}

# lacks WORDS... - this machine or this user cannot do it.
lacks() {
    echo "${0##*/}: $*" >&2
    exit 69
}

# usage - the comment at the head of the script.
usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
    exit "${1:-0}"
}

# seconds TEXT - "10", "10s", "0.5s", "200ms" as a number of seconds.
seconds() {
    echo "$1" | awk '
        /^[0-9]+(\.[0-9]+)?ms$/ { sub(/ms/, ""); print $0 / 1000; ok = 1; next }
        /^[0-9]+(\.[0-9]+)?s?$/ { sub(/s/, ""); print $0 + 0; ok = 1 }
        END { exit !ok }
    ' || die "$1 is no length of time: expected something like 10s or 200ms"
}

# tree PID - the process and all below it, parents first.
tree() {
    ps -e -o pid= -o ppid= | awk -v root="$1" '
        { children[$2] = children[$2] " " $1 }
        function walk(pid,   n, i, below) {
            print pid
            n = split(children[pid], below, " ")
            for (i = 1; i <= n; i++) walk(below[i])
        }
        END { walk(root) }
    '
}

# own_process PID - refuse what is not a process of this user, or is one that this script needs.
own_process() {
    case $1 in '' | *[!0-9]*) die "'$1' is no process id" ;; esac
    [ "$1" -gt 1 ] || die "process $1 is the system's"
    [ -d "/proc/$1" ] || die "there is no process $1"
    owner=$(awk '/^Uid:/ { print $2 }' "/proc/$1/status")
    [ "$owner" = "$(id -u)" ] || die "process $1 belongs to user $owner, not to you: left alone"
    for mine in $(tree "$1"); do
        [ "$mine" != "$$" ] || die "process $1 started this script: left alone"
    done
}

# own_file FILE - refuse what is no file of this user.
own_file() {
    [ -f "$1" ] && [ -n "$(find "$1" -prune -user "$(id -u)")" ] ||
        die "$1 is no file of yours that clock.sh run has made"
}

# own_port PORT - refuse what is not a TCP port of the loopback interface that this user listens on.
own_port() {
    case $1 in '' | *[!0-9]*) die "'$1' is no port: only ports of this machine's loopback, by number" ;; esac
    [ "$1" -ge 1 ] && [ "$1" -le 65535 ] || die "$1 is no port"
    command -v ss >/dev/null || lacks "no ss here (package iproute2), to see whose port $1 is"
    listening=$(ss -Hltne "sport = :$1")
    [ -n "$listening" ] || die "nobody listens on port $1"
    echo "$listening" | awk '$4 !~ /^(127\.|\[::1\]|\[::ffff:127\.)/ { exit 1 }' ||
        die "port $1 is open to other machines, not to loopback alone: left alone"
    owner=$(echo "$listening" | sed -n 's/.*uid:\([0-9]*\).*/\1/p' | head -n 1)
    [ "${owner:-0}" = "$(id -u)" ] || die "port $1 belongs to user ${owner:-0}, not to you: left alone"
}

# own_nftables - refuse where packets cannot be filtered.
own_nftables() {
    command -v nft >/dev/null || lacks "no nft here (package nftables)"
    nft list ruleset >/dev/null 2>&1 ||
        lacks "nft needs root, or a network namespace of your own: see in-namespace.sh"
}

# guard - heal however this script ends.
guard() {
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    trap heal EXIT
    (
        trap '' INT TERM HUP
        trap - EXIT
        while kill -0 "$$" 2>/dev/null; do sleep 0.2; done
        heal
    ) >/dev/null 2>&1 </dev/null &
}

# hold SECONDS - wait that long, or until Ctrl-C where it is empty.
hold() {
    [ -n "$1" ] || echo "until Ctrl-C"
    # In small steps: a shell looks at its traps between commands, and a sleep outlives its parent.
    steps=$(echo "${1:--1}" | awk '{ print int($1 * 5) }')
    while [ "$steps" -ne 0 ]; do
        sleep 0.2
        steps=$((steps - 1))
    done
    [ -z "$1" ] || sleep "$(echo "$1" | awk '{ print $1 - int($1 * 5) / 5 }')"
}
