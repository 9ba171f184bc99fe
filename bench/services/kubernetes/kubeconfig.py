"""Kubeconfig files: written for our components, read where the user names a cluster.

Read as YAML, of which JSON is a part; so what we write is JSON. Credentials that a file holds
inline go to files of their own, which only the user can read.
"""

import base64
import binascii
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bench.services.base import ServiceUnavailable
from bench.services.embedded import write_secret
from strategies.kubernetes.endpoint import Endpoint

WAY_OUT = "expected a cluster with a certificate authority and a token or a client certificate"
IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def write(path: Path, endpoint: Endpoint) -> None:
    """Write a kubeconfig of one cluster, one user, one context, readable by us only."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "coordbench",
                "cluster": {
                    "server": endpoint.base,
                    "certificate-authority": endpoint.ca,
                    "tls-server-name": endpoint.name,
                },
            }
        ],
        "users": [{"name": endpoint.role, "user": {"token": endpoint.token}}],
        "contexts": [
            {"name": "default", "context": {"cluster": "coordbench", "user": endpoint.role}}
        ],
        "current-context": "default",
    }
    write_secret(path, msgspec.json.encode(document).decode())


def read(path: Path, secrets_directory: Path) -> Endpoint:
    """The endpoint of a kubeconfig's current context. Raises ServiceUnavailable, in one line."""
    import yaml  # type: ignore[import-untyped]  # one call: no package of stubs for it

    try:
        document = yaml.safe_load(path.read_text())
        context = _named(document, "contexts", document["current-context"])["context"]
        cluster = _named(document, "clusters", context["cluster"])["cluster"]
        user = _named(document, "users", context["user"])["user"]
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ServiceUnavailable(f"kubernetes: {path} is no kubeconfig ({error!r:.80})") from None
    if "exec" in user or "auth-provider" in user:
        raise ServiceUnavailable(
            f"kubernetes: {path} gets its token from another program, which is not supported: "
            "make a service account with a token of its own"
        )
    return _endpoint(path, cluster, user, secrets_directory)


def in_cluster() -> Endpoint | None:
    """The endpoint of the cluster that we run in; None outside of one.

    Address, authority and token as client-go's rest.InClusterConfig takes them.
    """
    host, port = (
        os.environ.get("KUBERNETES_SERVICE_HOST"),
        os.environ.get("KUBERNETES_SERVICE_PORT"),
    )
    token = IN_CLUSTER / "token"
    if not (host and port and token.is_file()):
        return None
    return Endpoint(
        base=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        ca=str(IN_CLUSTER / "ca.crt"), name=host, role="in-cluster",
        token=token.read_text().strip(),
    )  # fmt: skip


def _endpoint(path: Path, cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> Endpoint:
    server = urlsplit(str(cluster.get("server", "")))
    ca = _file(path, cluster, "certificate-authority", folder)
    cert = _file(path, user, "client-certificate", folder)
    key = _file(path, user, "client-key", folder)
    token = _token(path, user)
    if server.scheme != "https" or not ca or not (token or cert):
        raise ServiceUnavailable(f"kubernetes: {path} cannot be used: {WAY_OUT}")
    return Endpoint(
        base=f"https://{server.hostname}:{server.port or 443}", ca=ca,
        name=cluster.get("tls-server-name") or server.hostname or "",
        role="kubeconfig", token=token, cert=cert, key=key,
    )  # fmt: skip


def _token(path: Path, user: dict[str, Any]) -> str:
    if named := user.get("tokenFile"):
        try:
            return (path.parent / str(named)).read_text().strip()
        except OSError as error:
            raise ServiceUnavailable(
                f"kubernetes: {path}: tokenFile {named}: {error.strerror}"
            ) from None
    return str(user.get("token") or "")


def _file(path: Path, section: dict[str, Any], key: str, folder: Path) -> str:
    """The file that `key` names, or a new one with what `key`-data holds; empty without either."""
    if named := section.get(key):
        return str((path.parent / named).absolute())
    inline = section.get(f"{key}-data")
    if not inline:
        return ""
    target = folder / f"{key}.pem"
    try:
        write_secret(target, base64.b64decode(inline, validate=True).decode())
    except (binascii.Error, ValueError):
        raise ServiceUnavailable(f"kubernetes: {path}: {key}-data is no base64") from None
    return str(target)


def _named(document: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document[section] if one["name"] == name)
    return found
