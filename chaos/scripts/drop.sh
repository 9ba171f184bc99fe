#!/bin/sh
# Lose a share of the packets to and from a TCP port of this machine's loopback. TCP sends them again,
# later and later: what a bad cable or an overloaded switch looks like.
#
#   drop.sh PORT [--percent 30] [--for 10s]
#
# Needs nft and the right to use it (see in-namespace.sh). Without --for until Ctrl-C. To heal by hand:
# nft delete table inet chaos_drop_PORT.

set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

port='' lasts='' percent=30
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage ;;
    --for) lasts=$(seconds "${2:?--for needs a length}"); shift ;;
    --percent) percent=${2:?--percent needs a number} && shift ;;
    -*) die "unknown option $1" ;;
    *) port=$1 ;;
    esac
    shift
done
[ -n "$port" ] || usage 64
case $percent in '' | *[!0-9]*) die "$percent %: expected a whole number from 1 to 99" ;; esac
[ "$percent" -ge 1 ] && [ "$percent" -le 99 ] || die "$percent %: expected 1 to 99 (all: partition.sh)"
own_port "$port"
own_nftables
table="chaos_drop_$port"
nft list table inet "$table" >/dev/null 2>&1 && die "port $port loses packets already"

heal() {
    nft delete table inet "$table" 2>/dev/null || :
}

guard
nft -f - <<RULES
table inet $table {
  chain lose {
    type filter hook input priority 0; policy accept;
    iifname "lo" tcp dport $port numgen random mod 100 < $percent drop
    iifname "lo" tcp sport $port numgen random mod 100 < $percent drop
  }
}
RULES
echo "port $port loses $percent % of its packets, each way"
hold "$lasts"
