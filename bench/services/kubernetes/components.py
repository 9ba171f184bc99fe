"""The command lines of the control plane's components, upstream's flags and nothing else.

Where a flag is not upstream's default, the reason stands beside it.
"""

from dataclasses import dataclass
from pathlib import Path

from strategies.model import Timing

CONTROLLERS = (
    "cronjob-controller", "job-controller", "garbage-collector-controller", "namespace-controller",
    "node-lifecycle-controller", "pod-garbage-collector-controller", "taint-eviction-controller",
    "ttl-after-finished-controller",
)  # fmt: skip
UPSTREAM_QPS, UPSTREAM_BURST = 20, 30
# What each component's Go runtime aims to hold (GOMEMLIMIT): it collects more often near it. It is
# no wall: a component that needs more gets it. Program text, shared by all, comes on top.
MEMORY = {"etcd": "80MiB", "apiserver": "260MiB", "controllers": "100MiB", "scheduler": "70MiB"}


@dataclass(frozen=True)
class Place:
    """Where one control plane lives: its private folder and its port on loopback."""

    folder: Path
    port: int

    def file(self, name: str) -> str:
        """A file of the folder, as text."""
        return str(self.folder / name)

    @property
    def etcd(self) -> str:
        """The address of etcd: a socket in a folder that only we may enter, so it needs no port."""
        return f"unix://{self.folder / 'etcd.sock'}"


def etcd(place: Place) -> list[str]:
    """The store. It has one member, so the addresses it would tell to others are never used."""
    nowhere = "http://127.0.0.1:1"
    return [
        "etcd",
        "--name=bench",
        f"--data-dir={place.file('etcd')}",
        "--unsafe-no-fsync",  # a bench's data need not survive a power cut
        f"--listen-client-urls={place.etcd}",
        f"--listen-peer-urls=unix://{place.file('peer.sock')}",
        f"--advertise-client-urls={nowhere}",
        f"--initial-advertise-peer-urls={nowhere}",
        f"--initial-cluster=bench={nowhere}",
        # Fewer entries of its log in memory than 10,000 and 5,000: no member has to catch up.
        "--snapshot-count=1000",
        "--snapshot-catchup-entries=100",
        "--log-level=warn",
    ]


def api_server(place: Place) -> list[str]:
    """The API server, on loopback, with TLS and tokens."""
    return [
        "apiserver",
        f"--etcd-servers={place.etcd}",
        f"--secure-port={place.port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--tls-cert-file={place.file('serving.crt')}",
        f"--tls-private-key-file={place.file('serving.key')}",
        f"--token-auth-file={place.file('tokens.csv')}",
        "--anonymous-auth=false",
        "--authorization-mode=RBAC",
        f"--service-account-key-file={place.file('serving.key')}",
        f"--service-account-signing-key-file={place.file('serving.key')}",
        "--service-account-issuer=https://coordbench.invalid",
        "--service-cluster-ip-range=10.96.0.0/24",
        "--disable-admission-plugins=ServiceAccount",  # no service account controller runs
    ]


def controller_manager(place: Place, timing: Timing, trials: int = 1) -> list[str]:
    """The controllers that CronJobs, Jobs, nodes and their pods need."""
    return [
        "controllers",
        f"--kubeconfig={place.file('controllers.json')}",
        f"--controllers={','.join(CONTROLLERS)}",
        "--leader-elect=false",  # there is one
        "--secure-port=0",
        *request_flags(trials),
        *node_flags(timing),
    ]


def scheduler(place: Place) -> list[str]:
    """What gives pods their nodes."""
    return [
        "scheduler",
        f"--kubeconfig={place.file('scheduler.json')}",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def environment(component: str) -> dict[str, str]:
    """How thrifty a component's Go runtime is (https://go.dev/doc/gc-guide)."""
    return {"GOMEMLIMIT": MEMORY[component]}


def request_flags(trials: int) -> list[str]:
    """How much the controllers may ask.

    Where some trials share them, each is to find them as fast as upstream's are for one: the
    limits on their requests are as many times upstream's.
    """
    return [
        f"--kube-api-qps={UPSTREAM_QPS * trials}",
        f"--kube-api-burst={UPSTREAM_BURST * trials}",
    ]


def node_flags(timing: Timing) -> list[str]:
    """How long a node may be silent, and how fast its pods are moved then.

    `equal`: a grace of L, looked at four times in it; no limit to evictions, because of the three
    nodes of a trial one is more than upstream takes for a healthy zone. Other profiles: upstream's
    defaults (5 s and 40 s; one node in 10 s; a zone is unhealthy at 55 %), by leaving them out.
    """
    if timing.profile != "equal":
        return []
    return [
        f"--node-monitor-period={timing.lease_s / 4:.3f}s",
        f"--node-monitor-grace-period={timing.lease_s:.3f}s",
        "--node-eviction-rate=100",
        "--secondary-node-eviction-rate=100",
        "--unhealthy-zone-threshold=1",
    ]
