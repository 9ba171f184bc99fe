"""How a finding is told: one JSON line each, lengths of time as quantiles."""

import sys
from typing import Any

import msgspec
import numpy as np


def say(**found: Any) -> None:
    """Write one finding, at once."""
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    sys.stdout.flush()


def quantiles(seconds: list[float]) -> dict[str, float]:
    """The least, the middle, the 95 % and the greatest; nothing of none."""
    if not seconds:
        return {}
    values = np.quantile(np.array(seconds), [0, 0.5, 0.95, 1])
    names = ("min_s", "p50_s", "p95_s", "max_s")
    return {name: round(float(value), 3) for name, value in zip(names, values, strict=True)}
