#!/bin/sh
# Cut a TCP port of this machine's loopback off from its clients: connections stay open, packets are
# dropped, nobody is told. In one direction, or both.
#
#   partition.sh PORT [--direction both|in|out] [--for 10s]
#
#   out   what clients send to the port is lost: no request arrives
#   in    what the port answers is lost: requests are obeyed, and nobody learns of it
#
# All clients of the port are cut off. To cut off one, run it and a relay to the server in a network
# namespace of their own (in-namespace.sh). Needs nft and the right to use it. Without --for until
# Ctrl-C. To heal by hand: nft delete table inet chaos_partition_PORT.

set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

port='' lasts='' direction=both
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage ;;
    --for) lasts=$(seconds "${2:?--for needs a length}"); shift ;;
    --direction) direction=${2:?--direction needs both, in or out} && shift ;;
    -*) die "unknown option $1" ;;
    *) port=$1 ;;
    esac
    shift
done
[ -n "$port" ] || usage 64
case $direction in both | in | out) ;; *) die "direction $direction: expected both, in or out" ;; esac
own_port "$port"
own_nftables
table="chaos_partition_$port"
nft list table inet "$table" >/dev/null 2>&1 && die "port $port is cut already"

heal() {
    nft delete table inet "$table" 2>/dev/null || :
}

guard
{
    echo "table inet $table {"
    echo "  chain cut {"
    echo "    type filter hook input priority 0; policy accept;"
    [ "$direction" = in ] || echo "    iifname \"lo\" tcp dport $port drop"
    [ "$direction" = out ] || echo "    iifname \"lo\" tcp sport $port drop"
    echo "  }"
    echo "}"
} | nft -f -
echo "port $port is cut: $direction"
hold "$lasts"
