"""An API server's address as one URL, so that it can be handed on and relayed like any other.

    https://ROLE:TOKEN@HOST:PORT/?ca=FILE&name=NAME
    https://HOST:PORT/?ca=FILE&name=NAME&cert=FILE&key=FILE&image=IMAGE

`ca` is the cluster's own certificate authority, `name` the name its certificate is checked
against (so that a relay's address does not weaken the check), `cert` and `key` a client
certificate where a cluster knows no tokens. `admits` names the users that whoever prepares a trial
lets into its namespace (strategies.kubernetes.tenancy), separated by commas. `image` says that the
cluster has nodes of its own, whose pods run that container image. Nothing is ever sent unverified.
"""

import ssl
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from strategies.kubernetes.errors import BadEndpoint


@dataclass(frozen=True)
class Endpoint:
    """Where the API server is, how it is recognised, and who we are."""

    base: str  # https://HOST:PORT
    ca: str
    name: str
    role: str = ""
    token: str = ""
    cert: str = ""
    key: str = ""
    image: str = ""
    admits: str = ""

    @property
    def url(self) -> str:
        """The endpoint as one URL, credentials included."""
        scheme, _, address = self.base.partition("://")
        user = f"{quote(self.role, safe='')}:{quote(self.token, safe='')}@" if self.token else ""
        names = ("ca", "name", "cert", "key", "image", "admits")
        given = {name: getattr(self, name) for name in names}
        query = urlencode({key: value for key, value in given.items() if value})
        return f"{scheme}://{user}{address}/?{query}"

    @property
    def headers(self) -> dict[str, str]:
        """What says who we are."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def tls(self) -> ssl.SSLContext:
        """A context that trusts this cluster's authority and nothing else."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert:
                context.load_cert_chain(self.cert, self.key or None)
        except OSError as error:  # SSLError is one
            raise BadEndpoint(f"the cluster's certificates cannot be read: {error}") from error
        return context


def parse(url: str) -> Endpoint:
    """Read an endpoint's URL; raises BadEndpoint without repeating the credentials."""
    parts = urlsplit(url)
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    if parts.scheme != "https" or not parts.hostname or "ca" not in query:
        raise BadEndpoint(
            f"{parts.scheme}://{parts.hostname} is no Kubernetes endpoint: "
            "expected https://ROLE:TOKEN@HOST:PORT/?ca=FILE"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Endpoint(
        base=f"https://{host}:{parts.port or 443}",
        ca=query["ca"],
        name=query.get("name", parts.hostname),
        role=unquote(parts.username or ""),
        token=unquote(parts.password or ""),
        cert=query.get("cert", ""),
        key=query.get("key", ""),
        image=query.get("image", ""),
        admits=query.get("admits", ""),
    )
