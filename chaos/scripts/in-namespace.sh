#!/bin/sh
# Run a command in a network of its own: a fresh loopback interface and nothing else, where packet
# filters can be set without root and reach nobody outside. Everything the experiment needs (server,
# clients, the scripts beside this one) has to run inside, for instance in a shell:
#
#   in-namespace.sh sh
#   in-namespace.sh ./my-experiment.sh
#
# Needs unshare (util-linux) and a kernel that lets users make namespaces.

set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

case ${1:-} in
-h | --help) usage ;;
'') usage 64 ;;
esac
command -v unshare >/dev/null || lacks "no unshare here (package util-linux)"
command -v ip >/dev/null || lacks "no ip here (package iproute2)"
unshare --user --map-root-user --net true 2>/dev/null ||
    lacks "this kernel lets no user make namespaces (sysctl kernel.unprivileged_userns_clone)"
# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare --user --map-root-user --net sh -c 'ip link set lo up && exec "$@"' sh "$@"
