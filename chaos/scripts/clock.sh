#!/bin/sh
# Give a command a wall clock of its own (libfaketime), and step it while the command runs. Its
# monotonic clock is left alone, as a step by NTP or by hand leaves it alone too.
#
#   clock.sh run FILE COMMAND...      run the command; FILE says how wrong its clock is
#   clock.sh step FILE +5s            it jumps ahead (or -5s: back) within a second
#   clock.sh heal FILE                it is right again
#
# Needs libfaketime (package faketime). Its version 0.9.10 breaks sleeps until an absolute time, such as
# time.sleep of Python 3.11: have the command wait by poll, epoll or select, as event loops do.

set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

library() {
    for place in /usr/lib/*/faketime /usr/lib/faketime /usr/local/lib/faketime; do
        [ ! -f "$place/libfaketimeMT.so.1" ] || { echo "$place/libfaketimeMT.so.1" && return; }
    done
    lacks "no libfaketime here (package faketime)"
}

case ${1:-} in
-h | --help) usage ;;
run)
    [ $# -ge 3 ] || usage 64
    preload=$(library)
    file=$2
    shift 2
    echo "+0" >"$file"
    exec env LD_PRELOAD="$preload" FAKETIME_TIMESTAMP_FILE="$file" FAKETIME_CACHE_DURATION=1 \
        FAKETIME_DONT_FAKE_MONOTONIC=1 "$@"
    ;;
step)
    [ $# -eq 3 ] || usage 64
    own_file "$2"
    case $3 in +* | -*) ;; *) die "$3: expected +5s (ahead) or -5s (back)" ;; esac
    by=$(seconds "${3#[+-]}")
    echo "${3%"${3#?}"}$by" >"$2"
    ;;
heal)
    [ $# -eq 2 ] || usage 64
    own_file "$2"
    echo "+0" >"$2"
    ;;
*) usage 64 ;;
esac
