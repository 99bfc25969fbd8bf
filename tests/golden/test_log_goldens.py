"""What is in the log: frames, requests, dead letters, alerts; and the embedded log's own files."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from pipeline.log.dead_letter import (
    DeadLetter,
    Reason,
    Rejection,
    Replayed,
    decode_dead_letters,
    decode_rejection,
    encode_dead_letters,
    encode_rejection,
    encode_replayed,
)
from pipeline.log.deleting import Delete, delete_of, encode_delete
from pipeline.log.embedded.folder import open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.feedback import Feedback, Verdict, encode_feedback, feedback_of
from pipeline.log.forgetting import Forget, encode_forget, forget_of
from pipeline.log.frame import FrameKind, decode_frame, encode_frame
from pipeline.log.generation import Generation, encode_generation, generation_of
from pipeline.log.log import Extent
from pipeline.log.query_use import QueryUse, Scan, encode_query_use, query_use_of
from pipeline.log.tick import Tick, encode_tick, tick_of
from rules.alerts.reason import Reason as EndReason
from rules.alerts.transition import Status, Transition, to_event
from store.endpoint.payload import WriteRecord, decode_write, encode_write
from store.objects import sealed_json
from store.record import MeasureType, SeriesKey, SeriesRegistry, TableId
from tests.golden.conftest import FILES, Golden
from tests.golden.sqlite_text import dump, restore

T = 1_795_000_000_123_456_789
REJECTION = Rejection(Reason.TOO_LARGE, "3000000 bytes; at most 1048576", b"\x00head")
LETTER = DeadLetter("0123456789abcdef:0:7:1", "farm", "gh/north/s1", b'{"cut', Reason.INVALID_JSON, "at byte 5", T)
RECORDS = [
    WriteRecord((("s", "1"), ("site", "é")), "climate", T, 1, (("t", MeasureType.DOUBLE, 21.5),), "north"),
    WriteRecord((("s", "1"), ("site", "é")), "climate", T + 1, 2, (("n", MeasureType.BIGINT, -3),), "north"),
    WriteRecord((("s", "2"),), "measure", T, 1, (("measure_value::varchar", MeasureType.VARCHAR, "on"),)),
]


@pytest.mark.parametrize(
    ("kind", "account", "mqtt_topic", "payload"),
    [
        (FrameKind.MQTT, "farm", "gh/north/s1", b'{"temperature": 21.5}'),
        (FrameKind.MQTT_AGAIN, "default", "gh/south/é", b"\xff\x00"),
        (FrameKind.WRITE_RECORDS, "farm", "", encode_write("db", "t", RECORDS)),
        (FrameKind.REJECTED, "farm", "gh/north/s1", encode_rejection(REJECTION)),
    ],
)
def test_a_frame(golden: Golden, kind: FrameKind, account: str, mqtt_topic: str, payload: bytes) -> None:
    columns = [T, T + 1], [account, account], [mqtt_topic, mqtt_topic], [payload, b""]

    frame = decode_frame(golden(f"frame-{kind}.msgpack", encode_frame(kind, *columns)))

    assert frame.kind == kind
    assert (frame.arrival_ns, frame.accounts, frame.mqtt_topics, frame.payloads) == columns


def test_a_tick(golden: Golden) -> None:
    tick = Tick("0123456789abcdef-0", T, T + 1_000_000_000, is_last=True)

    frame = decode_frame(golden("frame-tick.msgpack", encode_tick(tick)))

    assert (frame.kind, frame.arrival_ns, tick_of(frame)) == (FrameKind.TICK, [tick.to_ns], tick)


def test_rules_that_are_put_in_force(golden: Golden) -> None:
    generation = Generation((("a.yaml", "groups: []\n"), ("é.yaml", "")))

    frame = decode_frame(golden("frame-rules.msgpack", encode_generation(generation, T)))

    assert (frame.kind, generation_of(frame), generation.id) == (FrameKind.RULES, generation, "9c9d55d91fe3589c")


def test_a_device_that_is_forgotten(golden: Golden) -> None:
    forget = Forget("farm", "db", "t", {"s": "1"}, T)

    frame = decode_frame(golden("frame-forget.msgpack", encode_forget(forget)))

    assert (frame.kind, frame.accounts, forget_of(frame)) == (FrameKind.FORGET, ["farm"], forget)


def test_feedback_on_an_alert(golden: Golden) -> None:
    feedback = Feedback("farm", "db", "t", "g/Odd", "gh-1", "0f6c1d2e9b7a4c35d81b66e2a94f03c7", Verdict.FALSE, T)

    frame = decode_frame(golden("frame-feedback.msgpack", encode_feedback(feedback)))

    assert (frame.kind, frame.accounts, feedback_of(frame)) == (FrameKind.FEEDBACK, ["farm"], feedback)


def test_what_queries_have_used(golden: Golden) -> None:
    use = QueryUse("0123456789abcdef", 3, T, [Scan(20_000, "farm", "db", "t", 2, 700, 20_000_000)])

    frame = decode_frame(golden("frame-usage.msgpack", encode_query_use(use)))

    assert (frame.kind, frame.arrival_ns, query_use_of(frame)) == (FrameKind.USAGE, [T], use)


def test_a_delete(golden: Golden) -> None:
    delete = Delete("farm", "db", "t", "DELETE FROM db.t WHERE s = '1'", T, True)

    frame = decode_frame(golden("frame-delete.msgpack", encode_delete(delete, T + 1)))

    assert (frame.kind, frame.arrival_ns, delete_of(frame)) == (FrameKind.DELETE, [T + 1], delete)


def test_a_request_to_write_records(golden: Golden) -> None:
    data = golden("write-records.msgpack", encode_write("db", "t", RECORDS))

    batch = decode_write(data, "farm", SeriesRegistry(), "0123456789abcdef/readings/0", 4, T + 9)

    assert batch.index.table == TableId("farm", "db", "t")
    keys = [batch.index.keys[series] for series in batch.series]
    assert keys == [SeriesKey(record.dimensions, record.measure_name) for record in RECORDS]
    assert [batch.index.zones[series] for series in batch.series] == ["north", "north", None]
    assert batch.time_ns.tolist() == [T, T + 1, T]
    assert batch.version.tolist() == [1, 2, 1]
    assert {name: values.to_pylist() for name, values in batch.measures.items()} == {
        "t": [21.5, None, None],
        "n": [None, -3, None],
        "measure_value::varchar": [None, None, "on"],
    }


def test_a_message_that_the_gateway_rejects(golden: Golden) -> None:
    assert decode_rejection(golden("rejection.msgpack", encode_rejection(REJECTION))) == REJECTION


def test_dead_letters_and_the_note_that_they_were_replayed(golden: Golden) -> None:
    letters = decode_dead_letters(golden("dead-letters.msgpack", encode_dead_letters([LETTER])))
    note = decode_dead_letters(golden("dead-letters-replayed.msgpack", encode_replayed([LETTER.id], T)))

    assert (letters.letters, letters.replayed) == ([LETTER], None)
    assert (note.letters, note.replayed) == ([], Replayed([LETTER.id], T))


def test_alerts_which_are_the_bodies_of_webhooks(golden: Golden) -> None:
    """The JSON of fired, and of resolved without a sample; `event` is what is posted."""
    fired = Transition(
        id="00112233445566778899aabbccddeeff",
        status=Status.FIRING,
        table=TableId("farm", "agriculture", "readings"),
        zone="north",
        rule="climate/TooHot",
        since_ns=T - 1_000_000_000,
        time_ns=T,
        value=40.25,
        bounds={"max": 32.0},
        measure="temperature",
        dimensions={"sensor": "s1"},
        labels={"severity": "warning"},
        annotations={"summary": "north: 40.25"},
    )
    ended = Transition(
        **{name: getattr(fired, name) for name in fired.__slots__ if name not in {"status", "value", "reason", "zone"}},
        zone=None,
        status=Status.RESOLVED,
        value=None,
        reason=EndReason.RULE_REMOVED,
    )

    events = json.loads(golden("alerts.json", orjson.dumps([to_event(one) for one in (fired, ended)])))

    assert [event["event"]["type"] for event in events] == ["alert.firing", "alert.resolved"]
    assert events[0]["event"]["timestamp"] == "2026-11-18T11:06:40.123456789Z"


def test_the_embedded_log(golden: Golden, tmp_path: Path) -> None:
    """A topic's file is SQLite's; what stands in it is ours."""
    description = {"format_version": 2, "log_id": "0123456789abcdef", "partitions": 1}
    (tmp_path / "log.json").write_bytes(golden("log-2.json", sealed_json.write(description)))
    with closing(TopicFile(open_folder(tmp_path), "readings")) as topic:
        topic.append([(0, b"first"), (0, b"second")])

    kept = tmp_path / "kept"
    restore(kept / "readings.sqlite", golden("readings-2.sql", dump(topic.path)))
    (kept / "readings.end").write_bytes(golden("readings.end", (tmp_path / "readings.end").read_bytes()))
    (kept / "log.json").write_bytes((FILES / "log-2.json").read_bytes())
    assert_has_both_messages(kept)


def test_the_embedded_log_of_format_1(tmp_path: Path) -> None:
    restore(tmp_path / "readings.sqlite", (FILES / "readings.sql").read_bytes())
    shutil.copy(FILES / "log.json", tmp_path)

    assert_has_both_messages(tmp_path)


def assert_has_both_messages(path: Path) -> None:
    folder = open_folder(path)
    with closing(TopicFile(folder, "readings")) as topic:
        assert folder.log_id == "0123456789abcdef"
        assert [(message.offset, message.value) for message in topic.read(0, 0, 9, 999)] == [
            (0, b"first"),
            (1, b"second"),
        ]
        assert topic.extent(0) == Extent(0, 2, 11)
        assert topic.append([(0, b"third")]) == [2]
