"""A shell of its own for every acceptance test, which leaves no process behind."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    one = Shell(tmp_path)
    yield one
    assert not one.processes()
    assert not list(one.temporary.glob("coordbench-*")), "a folder was left behind"
    shutil.rmtree(one.temporary)
