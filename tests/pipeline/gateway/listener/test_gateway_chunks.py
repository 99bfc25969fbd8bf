"""However bytes are cut on their way, the same is taken in and answered, and no bytes raise an error of ours."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.gateway.listener.server import Gateway
from pipeline.gateway.listener.session import Session
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt_to_readings import BatchSettings
from pipeline.log.frame import decode_frame
from pipeline.log.testing import FakeAppender
from tests.support.manual_clock import stamps_by
from tests.support.mqtt_packets import connect, packet, publish
from tests.support.wire import Wire


async def talk(chunks: list[bytes]) -> tuple[bytes, bool, list[tuple[str, bytes]]]:
    """What was answered, whether the connection was ended, and (MQTT topic, payload) of what is in the log."""
    log = FakeAppender()
    tick = iter(range(1, 1 << 40))
    limits = ListenerSettings(max_packet_bytes=2_000, batch=BatchSettings(max_messages=4))
    gateway = Gateway(limits, log, stamps=stamps_by(lambda: next(tick)))
    session = Session(gateway)
    wire = Wire()
    session.connection_made(wire)
    for chunk in chunks:
        if not wire.is_closed:
            session.data_received(chunk)
    await gateway.stage.drain()
    session.connection_lost(None)
    await gateway.stage.drain()
    gateway.stage.stop()
    gateway.stage.failed.cancel()
    frames = [decode_frame(value) for _, value in log.appended]
    taken = [pair for frame in frames for pair in zip(frame.mqtt_topics, frame.payloads, strict=True)]
    return wire.written, wire.is_closed, taken


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:stop] for start, stop in pairwise(edges)]


topics = st.sampled_from(["a", "b/c", "long/" * 40])
versions = st.sampled_from(Version)


def packets(version: Version) -> st.SearchStrategy[bytes]:
    properties = st.sampled_from([b"", b"\x23\0\1", b"\x01\1"]) if version is Version.V5 else st.just(b"")
    message = st.builds(
        lambda topic, payload, packet_id, properties: publish(
            topic, payload, packet_id=packet_id, version=version, properties=properties
        ),
        topics,
        st.binary(max_size=400),
        st.integers(0, 300),
        properties,
    )
    others = st.sampled_from([b"\xc0\0", packet(0x82, b"\0\1" + b"\0" * (version - 4) + b"\0\1#\0"), b"\xe0\0"])
    bad = st.sampled_from([b"\0\0", publish("#", b"", version=version), b"\x30\xff\xff\xff\xff", b"\x30\xff\x7f"])
    return st.one_of(message, message, message, others, bad)


conversations = versions.flatmap(
    lambda version: st.lists(packets(version), max_size=12).map(lambda rest: connect("d", version) + b"".join(rest))
)


@given(data=conversations, places=st.lists(st.integers(0, 10_000), max_size=30))
def test_the_same_comes_of_the_same_bytes_however_they_are_cut(data: bytes, places: list[int]) -> None:
    async def both() -> None:
        whole = await talk([data])
        in_pieces = await talk(cut(data, places))
        assert in_pieces == whole

    asyncio.run(both())


@given(
    version=versions,
    start=st.booleans(),
    data=st.lists(st.binary(max_size=40), max_size=6),
    damage=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=5),
)
def test_nothing_that_a_device_sends_raises_an_error_of_ours(
    version: Version, start: bool, data: list[bytes], damage: list[tuple[int, int]]
) -> None:
    first = bytearray(connect("d", version) + publish("a", b"1" * 50, packet_id=3, version=version) * 4)
    for at, byte in damage:
        first[at % len(first)] = byte

    written, *_ = asyncio.run(talk([bytes(first) if start else connect("d", version), *data]))

    assert written[:1] in {b"", b"\x20"}
