"""The frame: what one log message of [readings] holds."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import FrameError, UnknownKind
from pipeline.log.frame import FORMAT_VERSION, FrameKind, decode_frame, encode_frame

messages = st.lists(
    st.tuples(st.integers(0, 2**63 - 1), st.text(max_size=20), st.text(max_size=20), st.binary(max_size=50)),
    max_size=20,
)


@given(messages, st.sampled_from(FrameKind))
def test_a_frame_reads_back_as_written(rows: list[tuple[int, str, str, bytes]], kind: FrameKind) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]

    frame = decode_frame(encode_frame(kind, *columns))  # type: ignore[arg-type]  # the columns of four types

    assert (frame.kind, [frame.arrival_ns, frame.accounts, frame.mqtt_topics, frame.payloads]) == (kind, columns)
    assert len(frame) == len(rows)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_frame_are_refused(data: bytes) -> None:
    with pytest.raises(FrameError, match=f"{len(data)} bytes|format version"):
        decode_frame(data)


def test_a_newer_frame_is_refused_by_its_version() -> None:
    newer = msgspec.msgpack.encode([FORMAT_VERSION + 1, "mqtt", [], [], [], []])

    with pytest.raises(FrameError, match=f"format version {FORMAT_VERSION + 1}; this program reads {FORMAT_VERSION}"):
        decode_frame(newer)


@pytest.mark.parametrize(("kind", "is_ignorable"), [("?later", True), ("later", False)])
def test_a_frame_of_a_kind_of_a_newer_version_is_told_from_damage(kind: str, is_ignorable: bool) -> None:
    """An older worker reads it while workers are upgraded one by one."""
    newer = msgspec.msgpack.encode([FORMAT_VERSION, kind, [1], [""], [""], [b"word"]])

    with pytest.raises(UnknownKind, match=f"of the kind '{re.escape(kind)}', which this version does not know") as told:
        decode_frame(newer)

    assert told.value.is_ignorable is is_ignorable
    with pytest.raises(FrameError, match="is not a frame"):
        decode_frame(newer.replace(b"word", b"word" * 9))


def test_a_frame_with_a_bit_changed_in_a_text_is_refused_too() -> None:
    frame = encode_frame(FrameKind.MQTT, [1], ["account"], ["topic"], [b"{}"])

    with pytest.raises(FrameError, match="is not a frame"):
        decode_frame(frame.replace(b"topic", b"\xf4opic"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([[2**63], ["a"], ["t"], [b"{}"]], "is not a frame"),
        ([[1], [], ["t"], [b"{}"]], "1 payloads, whose other columns have other lengths"),
    ],
)
def test_a_frame_with_columns_that_no_gateway_writes_is_refused(columns: list[object], message: str) -> None:
    frame = msgspec.msgpack.encode([FORMAT_VERSION, "mqtt", *columns])

    with pytest.raises(FrameError, match=message):
        decode_frame(frame)
