"""What another worker answers is bounded, and whatever is not an answer is a PeerUnavailable that names it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import msgspec
import pytest

from pipeline.base.errors import PeerUnavailable
from pipeline.cluster import client as module
from pipeline.cluster.client import PeerAccess, PeerClient, understood
from pipeline.cluster.outcomes import decode_outcome
from pipeline.cluster.tails import _decode

THERE = "http://there:1"


def asks(response: httpx.Response) -> bytes:
    client = PeerClient(PeerAccess(None, "tier"))
    client._http = httpx.Client(transport=httpx.MockTransport(lambda _: response))
    try:
        return client.post(THERE, "tail", b"", 5)
    finally:
        client.close()


def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 65_536


@pytest.mark.parametrize(
    ("response", "told"),
    [
        (httpx.Response(500, stream=httpx.ByteStream(b"<html>" * 1_000)), "answered 500: <html>"),
        (httpx.Response(302, headers={"location": "http://here/"}, stream=httpx.ByteStream(b"")), "answered 302"),
        (httpx.Response(204, stream=httpx.ByteStream(b"")), "answered 204"),
        (httpx.Response(200, content=endless()), "answered with more than 1000000 bytes"),
        (httpx.Response(500, content=endless()), "answered with more than 1000000 bytes"),
    ],
)
def test_an_answer_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, response: httpx.Response, told: str
) -> None:
    monkeypatch.setattr(module, "MOST_ANSWER_BYTES", 1_000_000)

    with pytest.raises(PeerUnavailable, match=rf"^the worker at {THERE} {told}"):
        asks(response)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\xc1",
        msgspec.msgpack.encode([[b"not Arrow"], None]),
        msgspec.msgpack.encode([b"\0" * 3, b"x"]),
    ],
)
@pytest.mark.parametrize("decode", [_decode, decode_outcome])
def test_an_answer_that_cannot_be_read_is_refused(decode: object, content: bytes) -> None:
    with pytest.raises(PeerUnavailable, match=f"the answer of the worker at {THERE} cannot be read"), understood(THERE):
        decode(content)  # type: ignore[operator]
