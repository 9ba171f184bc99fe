"""docker-compose.yml: valid, safe to leave running, and the same servers as the docker provider."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bench.services.docker import IMAGES

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "tests/data/compose.schema.json").read_text())


@pytest.fixture
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_the_file_follows_the_schema(compose: dict[str, Any]) -> None:
    """Known keys only; pinned images, health checks and loopback ports are required."""
    jsonschema.validate(compose, SCHEMA)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ports", ["6379:6379"]),
        ("ports", ["0.0.0.0:6379:6379"]),
        ("image", "redis:latest"),
        ("image", "redis"),
        ("healthcheck", None),
        ("privileged", True),
    ],
)
def test_the_schema_refuses_what_would_be_unsafe(
    compose: dict[str, Any], key: str, value: object
) -> None:
    """The check is worth something: it fails on open ports, floating tags, no health check."""
    compose["services"]["redis"][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(compose, SCHEMA)


def test_it_has_the_servers_of_the_docker_provider(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == set(IMAGES)


@pytest.mark.parametrize("name", IMAGES)
def test_a_server_is_the_one_that_the_docker_provider_starts(
    compose: dict[str, Any], name: str
) -> None:
    """Same image at the same version, same port, same settings, same command, same user."""
    service, image = compose["services"][name], IMAGES[name]
    assert service["image"] == image.reference
    assert service["ports"] == [f"127.0.0.1:{image.port}:{image.port}"]
    assert image.environment.items() <= service.get("environment", {}).items()
    assert service.get("user") == image.user
    # Compose writes $$ for $, and its folded text has spaces where ours goes on.
    command = [part.replace("$$", "$") for part in service.get("command", [])]
    assert command == list(image.command)


def test_passwords_come_from_the_environment_and_are_required(compose: dict[str, Any]) -> None:
    """`${NAME:?...}` makes compose stop where the password is not set."""
    settings = {
        name: value
        for service in compose["services"].values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name
    }
    assert set(settings) == {"REDIS_PASSWORD", "POSTGRES_PASSWORD", "ETCDCTL_PASSWORD"}
    for value in settings.values():
        assert re.fullmatch(r"\$\{[A-Z]+_PASSWORD:\?[^}]+\}", value)
