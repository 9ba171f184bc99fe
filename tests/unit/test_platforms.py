"""Who gets which rights on a service that knows roles."""

from dataclasses import dataclass

from bench.platforms import instance_endpoints, planner_endpoints
from strategies.catalogue import design


@dataclass
class Roles:
    """A service with a URL of its own for every role."""

    url: str = "https://election@here"

    def url_for(self, role: str) -> str:
        return f"https://{role}@here"


@dataclass
class Plain:
    """A service with one URL for all."""

    url: str = "redis://here"


def test_nodes_and_the_planner_of_a_platform_have_rights_of_their_own() -> None:
    services = {"kubernetes": Roles()}
    assert planner_endpoints(design("cronjob"), services) == {"kubernetes": "https://cronjob@here"}  # type: ignore[arg-type]
    assert instance_endpoints(design("cronjob"), services) == {"kubernetes": "https://node@here"}  # type: ignore[arg-type]


def test_members_have_less_rights_than_whoever_prepares_their_trial() -> None:
    one, services = design("lease-election"), {"kubernetes": Roles()}
    assert planner_endpoints(one, services) == {"kubernetes": "https://election-planner@here"}  # type: ignore[arg-type]
    assert instance_endpoints(one, services) == {"kubernetes": "https://election@here"}  # type: ignore[arg-type]


def test_a_service_without_roles_has_one_url_for_all() -> None:
    plain = {"redis": Plain()}
    assert instance_endpoints(design("redis-lock"), plain) == {"redis": "redis://here"}  # type: ignore[arg-type]
