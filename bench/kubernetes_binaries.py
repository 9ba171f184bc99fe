"""Where the built control plane and the pods' program lie, known without importing any service.

The folder's name has a hash of everything that decides the build: go.mod, go.sum, the sources.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent / "services" / "kubernetes"
MODULE = HERE / "controlplane"
POD_MODULE = HERE / "pod"
POD_COMMAND = "coordbench-pod"  # what a manifest names; in the image it is on PATH


@dataclass(frozen=True)
class Binaries:
    """What a build gives: the control plane, and the small program that runs inside pods."""

    control_plane: Path
    pod: Path

    @property
    def complete(self) -> bool:
        """Whether both are there."""
        return self.control_plane.is_file() and self.pod.is_file()


def version() -> str:
    """The Kubernetes version that go.mod asks for, like v1.34.4."""
    found = re.search(r"k8s\.io/kubernetes (v[\d.]+)", (MODULE / "go.mod").read_text())
    assert found is not None
    return found[1]


def cached() -> Binaries:
    """Where the binaries of these sources lie, or will lie."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(home) / "coordbench" / f"kubernetes-{version()}-{_fingerprint()}"
    return Binaries(folder / "control-plane", folder / POD_COMMAND)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for folder in (MODULE, POD_MODULE):
        for path in sorted(folder.iterdir()):
            if path.suffix in (".go", ".mod", ".sum"):
                digest.update(f"{folder.name}/{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
