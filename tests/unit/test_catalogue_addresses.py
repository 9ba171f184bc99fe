"""Designs that are not installed are asked for by their address, and by their name from then on."""

import dataclasses

import pytest

from strategies import catalogue
from strategies.catalogue import UnknownStrategy, address, design, source

MINE = dataclasses.replace(design("uncoordinated"), name="mine")
THEIRS = (MINE, dataclasses.replace(MINE, name="theirs"))
TAKEN = dataclasses.replace(MINE, name="redis-lock")
NO_DESIGN = 7
HERE = __name__


@pytest.fixture(autouse=True)
def nobody_has_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_visitors", {})


def test_a_design_is_found_by_its_address_and_then_by_its_name():
    assert design(f"{HERE}:THEIRS:theirs").name == "theirs"
    assert design("theirs") is THEIRS[1]
    assert source("theirs") == f"{HERE}:THEIRS"
    assert address("theirs") == f"{HERE}:THEIRS:theirs"


def test_the_only_design_of_a_module_needs_no_name():
    assert design(f"{HERE}:MINE") is MINE
    assert address("mine") == f"{HERE}:MINE:mine"


def test_it_joins_no_list_of_strategies():
    design(f"{HERE}:MINE")
    assert "mine" not in catalogue.designs()


def test_an_installed_design_is_called_by_its_name():
    assert design("strategies.lock.designs:DESIGNS:redis-lock") is design("redis-lock")
    assert address("redis-lock") == "redis-lock"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("mine", "unknown strategy 'mine'"),
        (f"{HERE}:THEIRS:hers", "has no strategy 'hers'"),
        ("no.such.module:DESIGN", "No module named 'no'"),
        (f"{HERE}:NOTHING", "has no attribute 'NOTHING'"),
        (f"{HERE}:NO_DESIGN", "no strategy at"),
        (f"{HERE}:TAKEN", "which is another strategy's name"),
        (":x:y", "Empty module name"),
    ],
)
def test_what_is_not_there_is_one_line(asked: str, said: str):
    with pytest.raises(UnknownStrategy, match=said):
        design(asked)
