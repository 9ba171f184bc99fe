"""The control plane for the tests that ask for one: one a session, built once a machine."""

from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.services import ServiceUnavailable
from bench.services.kubernetes import build
from bench.services.kubernetes.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane(
    service_logs: Path, in_background: Callable[[Coroutine[Any, Any, None]], None]
) -> Iterator[ControlPlane]:
    """A running control plane with equal timing; skips with the reason where none can be built.

    One that is built and does not start is a failure: else a wrong flag would skip all its tests.
    """
    try:
        build.build()
    except ServiceUnavailable as error:
        pytest.skip(str(error))
    plane = ControlPlane(service_logs, None)
    in_background(plane.start())
    yield plane
    in_background(plane.stop())
