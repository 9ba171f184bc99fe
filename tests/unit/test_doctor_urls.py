"""The doctor asks the server behind a URL, as a bench would, and says what is wrong with it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from bench.doctor import Row, doctor
from bench.listing import print_doctor
from bench.services import SERVICES
from bench.services.url import variable

SCHEMES = {"redis": "redis", "postgres": "postgresql", "zookeeper": "zookeeper", "etcd": "http"}
REDIS_ERROR = b"-ERR unknown command\r\n"
POSTGRES_ERROR = b"E\x00\x00\x00\x1fSFATAL\x00C0A000\x00Mwho is it?\x00\x00"

Answer = Callable[[bytes], bytes]


def redis(asked: bytes) -> bytes:
    """As much of a Redis as its probe needs: it greets, says what it is, and accepts the rest."""
    told = b"# Server\r\nredis_version:6.2.7\r\n"
    answers = {
        b"HELLO": b"%1\r\n$5\r\nproto\r\n:3\r\n",
        b"INFO": b"$%d\r\n%s\r\n" % (len(told), told),
    }
    words = (command.split(b"\r\n")[2] for command in asked.split(b"*")[1:])
    return b"".join(answers.get(word, b"+OK\r\n") for word in words)


def yes(asked: bytes) -> bytes:
    """Accepts whatever it is told, as no server of ours does."""
    return b"+OK\r\n" * asked.count(b"*")


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """A real server on a port of its own that answers each request."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, answer), daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listening: socket.socket, answer: Answer) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection, suppress(OSError):  # whoever asks may hang up first
            while asked := connection.recv(65536):
                connection.sendall(answer(asked))


def examined(monkeypatch: pytest.MonkeyPatch, service: str, port: int) -> Row:
    url = f"{SCHEMES[service]}://me:open-sesame@127.0.0.1:{port}/0"
    monkeypatch.setenv(variable(service), url)
    (row,) = doctor({service: SERVICES[service]})
    return row


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.mark.parametrize("service", SCHEMES)
def test_a_url_where_nobody_listens_is_not_what_a_bench_could_use(monkeypatch, service: str):
    port = free_port()
    row = examined(monkeypatch, service, port)
    assert (row.works, row.provider, row.where) == (False, "", "")
    said = row.missing["url"]
    assert said.startswith(f"{SCHEMES[service]}://127.0.0.1:{port} (from {variable(service)})")
    assert "refused" in said or "Connect call failed" in said
    assert said.endswith(f"start it, or unset {variable(service)}")
    assert "open-sesame" not in said


@pytest.mark.parametrize(
    ("service", "answer"),
    [
        ("redis", lambda _: POSTGRES_ERROR),
        ("redis", yes),
        ("postgres", redis),
        ("zookeeper", lambda _: REDIS_ERROR),
        ("etcd", lambda _: REDIS_ERROR),
    ],
)
def test_neither_is_one_where_another_kind_of_server_answers(
    monkeypatch, service: str, answer: Answer
):
    for module in (service, "base"):
        monkeypatch.setattr(f"bench.services.{module}.TIMEOUT_S", 0.3)
    with server(answer) as port:
        row = examined(monkeypatch, service, port)
    assert not row.works
    assert f"does not answer as {service} does" in row.missing["url"]


def test_silent_servers_are_given_up_soon_and_all_at_once(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for service, scheme in SCHEMES.items():
            url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
            monkeypatch.setenv(variable(service), url)
        began = time.monotonic()
        rows = doctor({service: SERVICES[service] for service in SCHEMES})
    assert time.monotonic() - began < 3 * 2.0
    assert [row.works for row in rows] == [False] * len(SCHEMES)
    assert all("says nothing within 2 s" in row.missing["url"] for row in rows)


def test_a_server_that_answers_as_it_should_is_used(monkeypatch):
    with server(redis) as port:
        row = examined(monkeypatch, "redis", port)
    assert (row.provider, row.where) == ("url", f"redis://127.0.0.1:{port}")
    assert "url" not in row.missing


def test_a_kubeconfig_that_is_not_there_is_said_as_a_bench_says_it(monkeypatch, tmp_path):
    monkeypatch.setenv("COORDBENCH_KUBERNETES_URL", str(tmp_path / "none"))
    (row,) = doctor({"kubernetes": SERVICES["kubernetes"][:1]})
    assert not row.works
    assert str(tmp_path / "none") in row.missing["url"]
    assert not row.missing["url"].startswith("kubernetes")


def test_the_reason_is_printed_in_80_columns_and_the_doctor_ends_with_2(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv(variable("redis"), f"redis://127.0.0.1:{free_port()}/0")
    assert print_doctor() == 2
    out = capsys.readouterr().out
    assert "redis by url: redis://127.0.0.1:" in out
    assert max(map(len, out.splitlines())) <= 80
