"""Sockets of a guarded thread reach public addresses alone, whatever a library does with them."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback_endpoint import answer, endpoint

from pipeline.alerting.receivers import public_sockets as module
from pipeline.alerting.receivers.public_sockets import NotPublic, public_sockets


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def send_udp(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", port))


def send_message(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendmsg([b"x"], [], 0, ("127.0.0.1", port))


def connect_by_name(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect(("localhost", port))


def connect_mapped(port: int) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as client:
        client.connect(("::ffff:127.0.0.1", port))


def connect_ex(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect_ex(("127.0.0.1", port))


def connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=10).close()


@pytest.mark.parametrize("reach", [connect, connect_ex, connect_by_name, connect_mapped, send_udp, send_message])
def test_a_guarded_thread_reaches_no_private_address(listener: socket.socket, reach: Callable[[int], None]) -> None:
    with public_sockets() as refused, pytest.raises(NotPublic, match="is not a public address"):
        reach(listener.getsockname()[1])

    assert len(refused) == 1


def test_a_guarded_thread_reaches_no_unix_socket(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client,
        public_sockets() as refused,
        pytest.raises(NotPublic),
    ):
        client.connect(str(tmp_path / "s"))

    assert refused == [str(tmp_path / "s")]


def test_other_threads_and_what_comes_after_the_block_are_not_guarded(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with public_sockets() as refused:
        other = threading.Thread(target=connect, args=(port,))
        other.start()
        other.join()
    connect(port)

    assert refused == []
    for _ in range(2):
        listener.accept()[0].close()


async def test_a_redirect_to_a_private_address_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_public", lambda address: address == "127.0.0.1")

    def ask(port: int) -> list[str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with public_sockets() as refused, pytest.raises(OSError, match=r"127\.0\.0\.2 is not a public address"):
            opener.open(f"http://127.0.0.1:{port}/", timeout=10)
        return refused

    async with endpoint() as inside, endpoint() as service:
        service.script.append(answer(302, f"location: http://127.0.0.2:{inside.port}/secret\r\n"))
        refused = await asyncio.to_thread(ask, service.port)

    assert refused == ["127.0.0.2"]
    assert [posted.path for posted in service.posted] == ["/"]
    assert inside.posted == []
