"""Where a Kubernetes comes from: the user's by kubeconfig, the embedded control plane, or K3s.

`COORDBENCH_KUBERNETES_URL` names a kubeconfig file, or `in-cluster`. Such a cluster has nodes of
its own: pods run the image `COORDBENCH_KUBERNETES_IMAGE` (made by `make image`), no node agent is
used, and the cluster's own timing holds.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.leftovers import Registration
from bench.services.base import NoAnswer, Service, ServiceUnavailable
from bench.services.docker import missing_engine

if TYPE_CHECKING:
    from strategies.kubernetes.endpoint import Endpoint

NAME = "kubernetes"
URL, IMAGE = "COORDBENCH_KUBERNETES_URL", "COORDBENCH_KUBERNETES_IMAGE"
DEFAULT_IMAGE = "coordbench-pod:1"
IN_CLUSTER = "in-cluster"
CALL_S = 2.0


class EmbeddedKubernetes:
    """The control plane of our own, built when it is first started."""

    name = "embedded"

    def missing(self) -> str | None:
        from bench.services.kubernetes import build

        return build.missing()

    def where(self) -> str:
        from bench.kubernetes_binaries import cached, version
        from bench.services.kubernetes import build

        state = "built" if cached().complete else f"to be built by {build.go()}, {build.EXPECTED}"
        return f"{version()} in {cached().pod.parent} ({state})"

    def make(self, directory: Path, registration: Registration | None) -> Service:
        from bench.services.kubernetes.control_plane import ControlPlane

        return ControlPlane(directory, registration)


class UrlKubernetes:
    """The user's cluster."""

    name = "url"

    def missing(self) -> str | None:
        return None if os.environ.get(URL) else f"{URL} is not set"

    def where(self) -> str:
        return f"the cluster of {os.environ.get(URL, '')}, pods run {_image()}"

    def make(self, directory: Path, registration: Registration | None) -> Service:
        return UserCluster(directory, os.environ[URL])


class UserCluster:
    """A cluster that the user runs; see bench.services.base.Service. It is never hurt."""

    name = NAME
    provider = "url"
    owned = False
    durability = "as its owner has set it"

    def __init__(self, directory: Path, given: str) -> None:
        self.version = ""
        self.url = ""
        self._directory, self._given = directory, given

    @property
    def pids(self) -> list[int]:
        return []

    def url_for(self, role: str) -> str:
        """The endpoint; whatever the role, with the rights of the user's own credentials."""
        return self.url

    async def start(self) -> None:
        self.url = replace(self._endpoint(), image=_image()).url
        try:
            self.version = await self._ask_version()
        except NoAnswer as error:
            raise ServiceUnavailable(
                f"kubernetes: the cluster of {self._given} (from {URL}) does not answer: {error}; "
                f"start it, or unset {URL}"
            ) from None

    async def stop(self) -> None:
        """It is not ours to stop."""

    async def kill(self) -> None:
        raise _not_ours("killed")

    async def pause(self) -> None:
        raise _not_ours("paused")

    async def resume(self) -> None:
        raise _not_ours("resumed")

    async def restart(self) -> None:
        raise _not_ours("restarted")

    async def health(self) -> bool:
        try:
            await self._ask_version()
        except NoAnswer:
            return False
        return True

    async def counters(self) -> dict[str, float]:
        from bench.services.kubernetes.control_plane import requests

        counted = requests(await self._ask("/metrics"))
        return {"operations": sum(counted.values()), **counted}

    async def _ask_version(self) -> str:
        import msgspec

        return str(msgspec.json.decode(await self._ask("/version"))["gitVersion"])

    async def _ask(self, path: str) -> str:
        from strategies.errors import StrategyError
        from strategies.kubernetes.api import KubernetesApi

        try:
            async with KubernetesApi(self.url, timeout_s=CALL_S) as api:
                return await api.text(path)
        except StrategyError as error:
            raise NoAnswer(str(error)) from None

    def _endpoint(self) -> "Endpoint":
        from bench.services.kubernetes import kubeconfig

        if self._given != IN_CLUSTER:
            self._directory.mkdir(parents=True, exist_ok=True)
            return kubeconfig.read(Path(self._given).expanduser(), self._directory)
        found = kubeconfig.in_cluster()
        if found is None:
            raise ServiceUnavailable(
                f"kubernetes: {URL}={IN_CLUSTER}, but this is no pod with a service account"
            )
        return found


class DockerKubernetes:
    """K3s in a container."""

    name = "docker"

    def missing(self) -> str | None:
        from bench.kubernetes_binaries import cached
        from bench.services.kubernetes import build

        if cached().pod.is_file() or build.go():
            return missing_engine()
        return "no Go to build the pods' program: put go on PATH"

    def where(self) -> str:
        from bench.services.kubernetes import k3s

        return k3s.IMAGE

    def make(self, directory: Path, registration: Registration | None) -> Service:
        from bench.services.kubernetes.k3s import K3s

        return K3s(directory, registration)


def _image() -> str:
    return os.environ.get(IMAGE) or DEFAULT_IMAGE


def _not_ours(done: str) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"kubernetes: a cluster used by URL is not {done} by a bench; "
        f"unset {URL} to let it start its own"
    )
