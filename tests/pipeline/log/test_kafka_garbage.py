"""What answers at Kafka's address, and is no Kafka, or one that went wrong, costs a message and nothing else."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pipeline.base.errors import LogUnavailable
from pipeline.log import open_admin, open_appender
from pipeline.log.kafka.reachability import look_at
from pipeline.log.settings import LogSettings

API_VERSIONS = b"\0\x12"
Answer = Callable[[bytes], bytes]


def response(request: bytes, body: bytes, size: int | None = None) -> bytes:
    """A frame with the request's correlation id, which may lie about its size."""
    return struct.pack(">i", 4 + len(body) if size is None else size) + request[8:12] + body


def versions(request: bytes) -> bytes:
    """A right answer: one version of each API."""
    apis = [struct.pack(">hhh", key, 0, int(key == 3)) for key in range(45)]
    return response(request, struct.pack(">hi", 0, len(apis)) + b"".join(apis))


def later(answer: Answer) -> Answer:
    """Well until the API versions are known."""
    return lambda request: versions(request) if request[4:6] == API_VERSIONS else answer(request)


GARBAGE: dict[str, Answer] = {
    "rubbish": lambda _: bytes(range(256)) * 8,
    "http": lambda _: b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
    "cut": lambda request: response(request, b"\0" * 10, 100),
    "negative": lambda request: response(request, b"", -5),
    "huge": lambda request: response(request, b"x" * (1 << 20), 0x7FFFFFFF),
    "empty": lambda request: response(request, b""),
    "zeros": lambda request: response(request, b"\0" * 396),
    "ones": lambda request: response(request, b"\xff" * 396),
    "echo": lambda request: request,
    "silence": lambda _: b"",
}
ALL = {**GARBAGE, **{f"{name}, later": later(answer) for name, answer in GARBAGE.items()}}


@contextmanager
def answering(answer: Answer) -> Iterator[LogSettings]:
    """Settings of a log whose one broker answers so."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                while request := self.request.recv(65_536):
                    self.request.sendall(answer(request))
            except ConnectionError:
                pass  # the client is gone

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield LogSettings(f"kafka://127.0.0.1:{server.server_address[1]}", request_s=0.5, append_s=1.0)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", ALL)
async def test_garbage_is_a_kafka_that_is_unavailable_for_now(name: str) -> None:
    with answering(ALL[name]) as settings:
        with pytest.raises(LogUnavailable, match=f"Kafka at {settings.servers[0]} did not connect"):
            open_admin(settings)
        with pytest.raises(LogUnavailable, match=f"Kafka at {settings.servers[0]} did not describe the topics"):
            await open_appender(settings).start()
        assert not (await look_at(settings)).is_ok


async def test_a_response_is_not_awaited_whose_size_none_has() -> None:
    """Its bytes would stay in memory until all have come, or the request has timed out."""
    ended = threading.Event()

    def endless(request: bytes) -> bytes:
        ended.set()
        return response(request, b"", 0x7FFFFFFF)

    with answering(endless) as settings:
        found = await look_at(LogSettings(settings.url, request_s=600.0))

    assert ended.is_set()
    assert "answers, but not as Kafka" in found.what
