"""The doors of the gateway: what devices and other programs send it, and what is in the log."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from pipeline.base.errors import FrameError
from pipeline.config import Table
from pipeline.gateway.listener.server import Gateway
from pipeline.gateway.listener.session import Session
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt_to_readings import BatchSettings
from pipeline.log.dead_letter import Reason
from pipeline.log.frame import Frame, FrameKind, decode_frame
from pipeline.log.testing import FakeAppender
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import routes_from
from store.record import SeriesRegistry
from tests.fuzzing.door import Door, Feed, Loop
from tests.fuzzing.edits import msgpack
from tests.fuzzing.files import edits, golden
from tests.support.manual_clock import stamps_by
from tests.support.mqtt_packets import connect, packet, publish
from tests.support.wire import Wire

PARTITION = "0123456789abcdef/readings/0"
NOW_NS = 1_795_000_000_123_456_789


@contextmanager
def _listener(_: Path) -> Iterator[Feed]:
    """One connection per input, in chunks whose size is the input's first byte."""
    loop = Loop()

    async def talk(data: bytes) -> None:
        ticks = itertools.count(1)
        limits = ListenerSettings(max_packet_bytes=600, batch=BatchSettings(max_messages=4))
        gateway = Gateway(limits, FakeAppender(), stamps=stamps_by(lambda: next(ticks)))
        session, wire = Session(gateway), Wire()
        wire.set_protocol(session)
        session.connection_made(wire)
        size = data[0] + 1
        for start in range(1, len(data), size):
            if not wire.is_closed:
                _protocol(wire).data_received(data[start : start + size])
        await gateway.stage.drain()
        _protocol(wire).connection_lost(None)
        await gateway.stage.drain()
        gateway.stage.stop()
        gateway.stage.failed.cancel()

    yield lambda data: loop.run(talk(data)) if data else None
    loop.close()


def _protocol(wire: Wire) -> asyncio.Protocol:
    """That of the connection: MQTT, or WebSocket once it has begun."""
    return cast(asyncio.Protocol, wire.get_protocol())


def _conversations() -> Iterable[bytes]:
    for version in Version:
        first = connect("d", version)
        message = publish("a/b", b'{"t": 1}', packet_id=7, version=version)
        subscribe = packet(0x82, b"\0\1" + b"\0" * (version is Version.V5) + b"\0\1#\0")
        for rest in (message * 3, subscribe, b"\xc0\0", message + b"\xe0\0", packet(0x62, b"\0\7")):
            yield b"\xff" + first + rest
            yield b"\3" + first + rest
        qos_2 = publish("a/b", b"1", packet_id=9, version=version, qos=2)
        yield b"\xff" + first + qos_2 + packet(0x62, b"\0\x09")
    upgrade = (
        b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    )
    upgrade += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    first = connect("d", Version.V3_1_1)
    yield b"\xff" + upgrade + b"\x82" + bytes([0x80 | len(first)]) + b"\0\0\0\0" + first
    alias = publish("a/b", b"1", version=Version.V5, properties=b"\x23\0\1")
    yield b"\xff" + connect("d", Version.V5) + alias + publish("", b"2", version=Version.V5, properties=b"\x23\0\1")


_TABLES = [
    Table.model_validate(table)
    for table in (
        {"name": "fuzz.own", "topics": "own/{zone}/{d}", "zone": "zone", "time": {"field": "ts"}, "dimensions": ["id"],
         "measures": {"t": {"unit": "celsius"}, "f": {"as": "t", "unit": "fahrenheit"}, "n": {"type": "bigint"},
                      "door": {"type": "boolean"}}},
        {"name": "fuzz.rows", "topics": "rows/{d}", "arrays": "rows"},
        {"name": "fuzz.index", "topics": "index/{d}", "arrays": "index"},
        {"name": "fuzz.rest", "topics": "#"},
    )
]  # fmt: skip


@contextmanager
def _normalise(_: Path) -> Iterator[Feed]:
    """A message: its MQTT topic, a line break, its payload. The tables stay, so that types of columns meet others."""
    normaliser, offsets = _normaliser(), itertools.count()

    def feed(data: bytes) -> None:
        nonlocal normaliser
        topic, _, payload = data.partition(b"\n")
        offset = next(offsets)
        if offset % 5_000 == 0:
            normaliser = _normaliser()
        frame = Frame(1, FrameKind.MQTT, [NOW_NS + offset], ["default"], [topic.decode("utf-8", "replace")], [payload])
        normalised = normaliser.normalise(frame, offset)
        rows = sum(len(batch) for batch in normalised.batches)
        assert rows or normalised.dead_letters, "a message was neither stored nor kept as a dead letter"
        for letter in normalised.dead_letters:
            assert letter.reason is not Reason.FAILED, letter.detail

    yield feed


def _normaliser() -> Normaliser:
    return Normaliser(routes_from(_TABLES), SeriesRegistry(), PARTITION)


def _messages() -> Iterable[bytes]:
    for topic in (b"own/z/d", b"rows/d", b"index/d", b"x/y"):
        for payload in (
            b'{"ts": 1795000000123, "t": 21.5, "f": 70, "n": 3, "door": true, "id": "x"}',
            b'[{"ts": 1795000000, "t": 1}, {"ts": "2026-11-23T10:00:00Z", "t": "nan"}]',
            b'{"ts": "1795000000.5", "a": {"b": {"c": [1, 2, {"d": null}]}}, "t": "unavailable"}',
            b'{"ts": 1795000000123, "t": 1, "t": 2, "n": 9007199254740993, "door": "ON"}',
            b"21.5",
            b"on",
            b'"text"',
            b"{t: 1,}",
            b'{"ts": 1e400, "t": 1E-320}',
        ):
            yield topic + b"\n" + payload


@contextmanager
def _frames(_: Path) -> Iterator[Feed]:
    """A log message of [readings], decoded and normalised."""
    normaliser, offsets = _normaliser(), itertools.count()

    def take(data: bytes) -> None:
        with suppress(FrameError):
            normaliser.normalise(decode_frame(data), next(offsets))

    yield msgpack(take, golden("frame-*"))


DOORS = {
    "mqtt": Door(_listener, _conversations, 1_024),
    "payload": Door(
        _normalise,
        _messages,
        1_024,
        (b"nan", b"null", b"true", b'"ts":', b"own/z/d\n", b"1e999", b"\\u0000", b"\\ud800", b"[[", b"{}"),
    ),
    "frame": Door(_frames, edits, 4_096),
}
