"""An API server's address as one URL."""

import pytest

from strategies.kubernetes.endpoint import Endpoint, parse
from strategies.kubernetes.errors import BadEndpoint

FULL = Endpoint(
    base="https://127.0.0.1:6443", ca="/tmp/a folder/ca.crt", name="api", role="node",
    token="a/b+c@d:e", image="pod:1",
)  # fmt: skip


def test_a_url_says_everything_that_its_endpoint_knows() -> None:
    assert parse(FULL.url) == FULL


def test_a_relay_in_between_does_not_change_the_name_that_is_checked() -> None:
    relayed = parse(FULL.url.replace("127.0.0.1:6443", "127.0.0.1:9999"))
    assert relayed.base == "https://127.0.0.1:9999"
    assert relayed.name == "api"


def test_without_a_name_the_host_is_checked() -> None:
    assert parse("https://[::1]:6443/?ca=/ca.crt").name == "::1"


@pytest.mark.parametrize("url", ["http://:secret@h:1/?ca=x", "https://:secret@h:1/", "nothing"])
def test_what_cannot_be_verified_is_refused_without_repeating_the_token(url: str) -> None:
    with pytest.raises(BadEndpoint, match="expected https://") as refused:
        parse(url)
    assert "secret" not in str(refused.value)


def test_unreadable_certificates_are_one_clear_error() -> None:
    with pytest.raises(BadEndpoint, match="certificates cannot be read"):
        parse("https://h:1/?ca=/nowhere/ca.crt").tls()
