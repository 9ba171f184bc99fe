"""The machine and the versions that results were measured with (environment.json)."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("coordbench", "redis", "psycopg", "kazoo", "aiohttp", "msgspec", "numpy")


def environment(services: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Everything about here and now that the figures depend on; `services` as they were started."""
    return {
        "machine": {
            "system": platform.system(),
            "kernel": platform.release(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        },
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "services": services,
        "git": _git(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _git() -> dict[str, Any]:
    """Commit and dirty flag of this checkout; empty where it is none."""
    here = Path(__file__).parent
    commit = _said(here, "rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(_said(here, "status", "--porcelain"))} if commit else {}


def _said(where: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(where), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
