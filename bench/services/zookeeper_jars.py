"""The jars of a ZooKeeper server: Debian's package, or Maven into the user's cache.

Maven takes them from wherever it is set up to look; the versions are in zookeeper_pom.xml and
the hashes in zookeeper_jars.toml, so that every machine measures the same server.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
import tomllib
from importlib.resources import as_file, files
from pathlib import Path

from bench.services.base import ServiceUnavailable
from bench.services.embedded import on_path

_HERE = files("bench.services")
_PINNED: dict[str, str] = tomllib.loads((_HERE / "zookeeper_jars.toml").read_text())["sha256"]
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_MAVEN_TIMEOUT_S = 300
_DEBIAN = Path("/usr/share/java")
_DEBIAN_JARS = (
    "zookeeper",
    "zookeeper-jute",
    "commons-io",
    "metrics-core",
    "netty-buffer",
    "netty-codec",
    "netty-common",
    "netty-handler",
    "netty-resolver",
    "netty-transport",
    "slf4j-api",
    "slf4j-simple",
    "snappy-java",
)

_log = logging.getLogger(__name__)


def missing_jars() -> str | None:
    """What is missing to have the jars, and how to get it."""
    if debian_jars() or _complete(cache()) or on_path("mvn"):
        return None
    return "no ZooKeeper: install Maven (mvn), or Debian's package libzookeeper-java"


def jars() -> str:
    """The class path of a server; gets the jars first where need be, which takes some seconds."""
    if found := debian_jars():
        return ":".join(found)
    folder = cache()
    if not _complete(folder):
        _log.info("getting ZooKeeper's %d jars by Maven into %s", len(_PINNED), folder)
        _fill(folder)
    return ":".join(str(folder / name) for name in sorted(_PINNED))


def debian_jars() -> list[str]:
    """The jars of Debian's package and its dependencies; empty unless all of them are there."""
    found = [_DEBIAN / f"{name}.jar" for name in _DEBIAN_JARS]
    return [str(path) for path in found] if all(path.is_file() for path in found) else []


def cache() -> Path:
    """Where the jars lie: `$XDG_CACHE_HOME/coordbench/zookeeper-VERSION`."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    own = next(name for name in _PINNED if name.startswith("zookeeper-jute-"))
    version = own.removeprefix("zookeeper-jute-").removesuffix(".jar")
    return Path(home) / "coordbench" / f"zookeeper-{version}"


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _PINNED)


def _fill(folder: Path) -> None:
    """Get the jars beside their place, check them, and move them there at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".zookeeper-") as temporary:
        fresh = Path(temporary) / "jars"
        _run_maven(fresh)
        for name, expected in _PINNED.items():
            path = fresh / name
            found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"
            if found != expected:
                raise ServiceUnavailable(
                    f"zookeeper: {name} from Maven has the hash {found}, expected {expected}"
                )
        if folder.exists() and not _complete(folder):
            shutil.rmtree(folder)
        try:
            fresh.rename(folder)
        except OSError:  # another bench was faster; its jars are as good
            if not _complete(folder):
                raise


def _run_maven(target: Path) -> None:
    with as_file(_HERE / "zookeeper_pom.xml") as pom:
        # Maven writes a folder `target` beside some poms: run it on a copy in the fresh place.
        copy = target.parent / "pom.xml"
        copy.write_bytes(pom.read_bytes())
        command = ["mvn", "-B", "-q", "-f", str(copy), _COPY, f"-DoutputDirectory={target}"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_MAVEN_TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise ServiceUnavailable(
                f"zookeeper: Maven took longer than {_MAVEN_TIMEOUT_S} s to get its jars"
            ) from None
    if done.returncode != 0:
        raise ServiceUnavailable(
            f"zookeeper: Maven could not get its jars (status {done.returncode}): "
            "run `mvn dependency:get -Dartifact=org.apache.zookeeper:zookeeper:3.9.4` to see why"
        )
