#!/bin/sh
# Have all packets to and from a TCP port of this machine's loopback arrive later.
#
#   delay.sh PORT [--by 200ms] [--for 10s]
#
# By tc with the queueing discipline netem, which many kernels in containers lack; then nothing is done
# and the reason said. Needs the right to use tc (see in-namespace.sh). Without --for until Ctrl-C.
# To heal by hand: tc qdisc del dev lo root.

set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

port='' lasts='' by=0.2
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage ;;
    --for) lasts=$(seconds "${2:?--for needs a length}"); shift ;;
    --by) by=$(seconds "${2:?--by needs a length}"); shift ;;
    -*) die "unknown option $1" ;;
    *) port=$1 ;;
    esac
    shift
done
[ -n "$port" ] || usage 64
own_port "$port"
command -v tc >/dev/null || lacks "no tc here (package iproute2)"
tc qdisc show dev lo | grep -qv noqueue && die "loopback has a queueing discipline already: left alone"
ours=''

heal() {
    [ -z "$ours" ] || tc qdisc del dev lo root 2>/dev/null || :
}

guard
ours=yes
tc qdisc add dev lo root handle 1: prio bands 4 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 2>/dev/null ||
    lacks "tc cannot do it: it needs root or in-namespace.sh, and a kernel with prio and netem"
tc qdisc add dev lo parent 1:4 handle 40: netem delay "$(echo "$by" | awk '{ print $1 * 1000 }')ms" \
    2>/dev/null || lacks "this kernel has no netem: a delay needs coordbench's relay (chaos/links)"
for side in dport sport; do
    tc filter add dev lo parent 1: protocol ip prio 1 u32 \
        match ip protocol 6 0xff match ip "$side" "$port" 0xffff flowid 1:4 2>/dev/null ||
        lacks "this kernel has no filter u32, to tell port $port from the others"
done
echo "port $port: packets arrive $by s later, each way"
hold "$lasts"
