"""The doctor says which provider would be used and what is missing; it starts nothing."""

from pathlib import Path

from bench.doctor import Row, doctor
from bench.leftovers import Registration
from bench.services import SERVICES, Service


class Provider:
    def __init__(self, name: str, missing: str | None = None) -> None:
        self.name = name
        self._missing = missing

    def missing(self) -> str | None:
        return self._missing

    def where(self) -> str:
        return f"{self.name} 1.0"

    def make(self, directory: Path, registration: Registration | None) -> Service:
        raise AssertionError("the doctor starts nothing")


def test_the_first_provider_that_works_is_the_one_that_would_be_used() -> None:
    rows = doctor({"redis": [Provider("url", "X is not set"), Provider("embedded")]})
    assert rows == [Row("redis", "embedded", "embedded 1.0", {"url": "X is not set"})]
    assert rows[0].works


def test_a_service_that_cannot_be_had_says_what_is_missing_for_each_provider() -> None:
    (row,) = doctor({"redis": [Provider("url", "no URL"), Provider("docker", "no Docker")]})
    assert not row.works
    assert row.provider == ""
    assert row.missing == {"url": "no URL", "docker": "no Docker"}


def test_every_service_has_a_row() -> None:
    assert [row.service for row in doctor()] == list(SERVICES)
