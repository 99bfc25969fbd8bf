"""A client of which nothing is known yet costs little: each limit closes its connection, and others are answered."""

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from pipeline.api.http import connections
from pipeline.api.http.server import HttpServer
from pipeline.base import metrics
from pipeline.base.ports import listen
from pipeline.base.tls.files import TlsFiles
from pipeline.base.tls.handshakes import Counted
from pipeline.base.tls.reloading import ReloadingContext
from pipeline.config.model import HttpLimits
from tests.support.certificate_files import Authority
from tests.support.waiting import wait_for

Serve = Callable[..., tuple[str, int]]
HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n"


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[HttpServer] = []
    app = FastAPI()

    @app.post("/")
    async def size(request: Request) -> int:
        return len(await request.body())

    @app.post("/refused")
    async def refused_unread() -> str:
        return "answered"

    @app.get("/")
    async def nothing() -> str:
        return "answered"

    @app.get("/large")
    async def large() -> Response:
        return Response(b"x" * (64 << 20))

    def started(limits: HttpLimits, tls: ssl.SSLContext | None = None) -> tuple[str, int]:
        servers.append(HttpServer(app, listen("127.0.0.1", 0), lambda _: None, tls, limits))
        servers[-1].start()
        return servers[-1].address

    yield started
    for server in servers:
        server.stop()


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, 60)


def answer_of(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    answer = b""
    while data := client.recv(65536):
        answer += data
    client.close()
    return answer


def status_of(address: tuple[str, int]) -> int:
    return httpx.get(f"http://127.0.0.1:{address[1]}/", timeout=60).status_code


def refused(reason: str) -> float:
    return metrics.http_connections_refused.labels(reason)._value.get()


@pytest.mark.parametrize("sent", [b"", b"GET / HTT", HEAD])
def test_a_request_whose_head_does_not_arrive_is_given_up(serve: Serve, sent: bytes) -> None:
    address = serve(HttpLimits(header_timeout=timedelta(milliseconds=50)))
    before = refused("header_timeout")
    client = connect(address)
    client.sendall(sent)

    assert answer_of(client).startswith(b"HTTP/1.1 408 ")
    assert refused("header_timeout") == before + 1
    assert status_of(address) == 200


def test_a_body_that_does_not_arrive_is_given_up(serve: Serve) -> None:
    address = serve(HttpLimits(request_timeout=timedelta(milliseconds=50)))
    client = connect(address)
    client.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\nfive!")

    assert answer_of(client).startswith(b"HTTP/1.1 408 ")
    assert status_of(address) == 200


def test_the_time_of_a_request_begins_with_its_first_byte_on_a_connection_that_stays(serve: Serve) -> None:
    address = serve(HttpLimits(header_timeout=timedelta(seconds=1), request_timeout=timedelta(seconds=1)))
    client = connect(address)
    client.sendall(HEAD + b"\r\n")
    answer = b""
    while b'"answered"' not in answer:
        answer += client.recv(65536)
    client.sendall(b"GET ")

    assert answer_of(client).startswith(b"HTTP/1.1 408 ")


LIMITS = [
    (HttpLimits(connections=2), "connections"),
    (HttpLimits(connections_per_address=2), "connections_per_address"),
]


@pytest.mark.parametrize(("limits", "reason"), LIMITS)
def test_one_connection_too_many_takes_the_place_of_the_longest_idle(
    serve: Serve, limits: HttpLimits, reason: str
) -> None:
    address, before = serve(limits), refused(reason)
    half, answered = connect(address), connect(address)
    half.sendall(HEAD)
    answered.sendall(HEAD + b"\r\n")
    assert answered.recv(65536).startswith(b"HTTP/1.1 200 ")
    last = connect(address)
    last.sendall(HEAD + b"Connection: close\r\n\r\n")

    assert b'"answered"' in answer_of(last)
    assert answer_of(half).startswith(b"HTTP/1.1 503 ")
    assert refused(reason) == before + 1
    answered.close()


@pytest.mark.parametrize(("limits", "reason"), LIMITS)
def test_one_connection_too_many_is_refused_while_all_are_at_work(
    serve: Serve, limits: HttpLimits, reason: str
) -> None:
    address, before = serve(limits), refused(reason)
    clients = [connect(address) for _ in range(2)]
    for client in clients:
        client.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")

    assert answer_of(connect(address)).startswith(b"HTTP/1.1 503 ")
    assert refused(reason) == before + 1

    for client in clients:
        client.sendall(b"0123456789")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        client.close()
    assert status_of(address) == 200


@pytest.mark.parametrize(("limits", "reason"), LIMITS)
def test_a_connection_whose_request_is_answered_gives_way_though_its_body_does_not_arrive(
    serve: Serve, limits: HttpLimits, reason: str
) -> None:
    address, before = serve(limits), refused(reason)
    clients = [connect(address) for _ in range(2)]
    for client in clients:
        client.sendall(b"POST /refused HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")

    assert status_of(address) == 200
    assert refused(reason) == before + 1
    for client in clients:
        client.close()


def test_connections_leave_files_to_the_rest_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (4, 4))
    found = connections.OpenConnections(HttpLimits())

    assert [found.admit(name) for name in ("a", "b", "c")] == [None, None, "connections"]


def headers(count: int) -> bytes:
    """So many headers of a kilobyte each."""
    return b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in range(count))


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD + headers(70)],
        [HEAD + headers(70) + b"\r\n"],
        [HEAD, headers(40), headers(40)],
        [HEAD + b"X: " + b"x" * 1000, *[b"x" * 1000] * 65],
        [b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n"],
    ],
    ids=["unfinished", "whole", "pieces", "one", "url"],
)
def test_headers_have_a_size(serve: Serve, pieces: list[bytes]) -> None:
    address = serve(HttpLimits())
    client = connect(address)
    for piece in pieces:
        client.sendall(piece)

    assert answer_of(client).startswith(b"HTTP/1.1 431 ")
    assert status_of(address) == 200


def test_headers_of_that_size_may_come_in_pieces(serve: Serve) -> None:
    client = connect(serve(HttpLimits()))
    for piece in (HEAD, headers(30), headers(30), b"\r\n"):
        client.sendall(piece)

    assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    client.close()


def test_addresses_of_one_ipv6_network_are_one_client() -> None:
    found = connections.OpenConnections(HttpLimits(connections_per_address=1))

    assert found.admit(connections.client_of("2001:db8::1")) is None
    assert found.admit(connections.client_of("2001:db8::2")) == "connections_per_address"
    assert found.admit(connections.client_of("2001:db8:0:1::1")) is None


def test_a_response_that_is_not_read_is_given_up(serve: Serve) -> None:
    address = serve(HttpLimits(response_timeout=timedelta(milliseconds=100)))
    before = refused("response_timeout")
    client = connect(address)
    client.sendall(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n")

    wait_for(lambda: refused("response_timeout") == before + 1, "it is given up")
    assert status_of(address) == 200
    client.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def secure(files: TlsFiles) -> ssl.SSLContext:
    return ReloadingContext(files, "http", Counted)


def secure_status(address: tuple[str, int], authority: Authority) -> int:
    return httpx.get(f"https://127.0.0.1:{address[1]}/", verify=authority.trusting(), timeout=60).status_code


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"])
def test_a_handshake_that_stalls_is_given_up_and_counted(serve: Serve, authority: Authority, sent: bytes) -> None:
    address = serve(HttpLimits(header_timeout=timedelta(milliseconds=200)), secure(authority.files()))
    failed = metrics.handshakes_failed.labels("http", "timeout")
    before = failed._value.get()
    client = connect(address)
    client.sendall(sent)

    assert answer_of(client) == b""
    wait_for(lambda: failed._value.get() == before + 1, "it is counted")
    assert secure_status(address, authority) == 200


@pytest.mark.parametrize(("limits", "reason"), LIMITS)
def test_a_handshake_takes_a_place_and_gives_way(
    serve: Serve, authority: Authority, limits: HttpLimits, reason: str
) -> None:
    address, before = serve(limits, secure(authority.files())), refused(reason)
    silent = [connect(address) for _ in range(2)]

    assert secure_status(address, authority) == 200
    assert answer_of(silent[0]) == b""
    assert refused(reason) == before + 1
    silent[1].close()
