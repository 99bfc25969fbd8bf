"""Routes, sources, series, frames, WriteRecords, and tables that come and go."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from normalise_frames import ARRIVAL_NS, EVERYTHING, STREAM, encoded, frame, measures, normalise, rows, the_letter

from pipeline.log.dead_letter import DeadLetter, Reason, Rejection, encode_rejection
from pipeline.log.frame import Frame, FrameKind, encode_frame
from pipeline.stream.normalise import normaliser as normaliser_module
from pipeline.stream.normalise import reading, table_work
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import Route, TimeField, TimeUnit
from pipeline.stream.normalise.templates import TopicTemplate
from store.endpoint.payload import WriteRecord, encode_write
from store.record import MeasureType, SeriesRegistry, TableId

READINGS = TableId("default", "default", "readings")


def one(body: Any, *, account: str = "default", topic: str = "site/device") -> Frame:
    return frame((account, topic, encoded(body)))


def write(value: float | str, *, table: str = "readings", column: str = "a") -> Frame:
    kind = MeasureType.VARCHAR if isinstance(value, str) else MeasureType.DOUBLE
    record = WriteRecord((("d", "1"),), "m", ARRIVAL_NS, 3, ((column, kind, value),))
    payload = encode_write("default", table, [record])
    return Frame(1, FrameKind.WRITE_RECORDS, [ARRIVAL_NS], ["default"], [""], [payload])


def test_the_first_route_that_takes_a_topic_has_it() -> None:
    routes = [
        Route("d", "first", TopicTemplate("a/{x}")),
        Route("d", "second", TopicTemplate("a/#")),
    ]
    normaliser = Normaliser(routes, SeriesRegistry(), STREAM)

    normalised = normaliser.normalise(
        frame(("default", "a/1", b"1"), ("default", "a/1/2", b"1"), ("default", "b", b"1")), 0
    )

    assert [str(batch.table) for batch in normalised.batches] == ["default/d.first", "default/d.second"]
    (letter,) = normalised.dead_letters
    assert (letter.reason, letter.detail) == (Reason.NO_ROUTE, "no table takes the MQTT topic 'b'")


def test_accounts_have_tables_and_series_of_their_own() -> None:
    registry = SeriesRegistry()
    normaliser = Normaliser([EVERYTHING], registry, STREAM)

    normaliser.normalise(frame(("a", "t", b"1"), ("b", "t", b'"text"'), ("b", "u", b'"text"')), 0)

    assert len(registry.of(TableId("a", "default", "readings"))) == 1
    assert len(registry.of(TableId("b", "default", "readings"))) == 2


def test_payload_dimensions_are_part_of_the_series() -> None:
    route = Route("d", "t", TopicTemplate("{site}/+"), zone="{site}/{device}", dimensions=("device", "n"))

    (batch,) = normalise(
        {"device": "x", "n": 7, "a": 1}, {"device": "", "n": None, "a": 2}, {"a": 3, "device": "x", "n": 7}, route=route
    ).batches

    found = rows(batch)
    assert [row["dimensions"] for row in found] == [
        {"site": "site", "device": "x", "n": "7"},
        {"site": "site"},
        {"site": "site", "device": "x", "n": "7"},
    ]
    assert [row["zone"] for row in found] == ["site/x", None, "site/x"]
    assert batch.series[0] == batch.series[2]


@pytest.mark.parametrize("dimensions", [(), ("device",)])
@pytest.mark.parametrize(("topic", "detail"), [("x" * 2_049, "1 dimensions of 2056 bytes"), ("a/" * 129, "129 dim")])
def test_a_topic_whose_dimensions_are_too_long_or_too_many_is_refused(
    topic: str, detail: str, dimensions: tuple[str, ...]
) -> None:
    letter = the_letter(
        normalise({"a": 1}, topic=topic, route=Route("d", "t", TopicTemplate("#"), dimensions=dimensions))
    )

    assert letter.reason is Reason.BAD_DIMENSION
    assert detail in letter.detail


def test_a_message_that_is_refused_makes_no_series() -> None:
    registry = SeriesRegistry()
    route = Route("default", "readings", TopicTemplate("#"), time=TimeField("ts", TimeUnit.S))

    Normaliser([route], registry, STREAM).normalise(one({"ts": -1, "a": 1}), 0)

    assert len(registry.of(READINGS)) == 0


def test_frames_that_are_normalised_together_make_one_batch_per_table_with_their_offsets() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)

    normalised = normaliser.normalise_many(
        [(5, one({"a": 1})), (6, frame()), (9, one(b"{")), (11, one({"a": [2], "b": 1}))]
    )

    (batch,) = normalised.batches
    assert batch.offset.tolist() == [5, 11]
    assert [x.id.split(":")[2] for x in normalised.dead_letters] == ["9"]


def test_a_replay_gives_the_same_rows_and_the_same_dead_letters() -> None:
    frames = [(5, one({"a": 1})), (6, one(b"{"))]

    first = Normaliser([EVERYTHING], SeriesRegistry(), STREAM).normalise_many(frames)
    second = Normaliser([EVERYTHING], SeriesRegistry(), STREAM).normalise_many(frames)

    assert first.dead_letters == second.dead_letters
    assert rows(first.batches[0]) == rows(second.batches[0])


def test_kinds_that_the_store_knows_hold_after_a_restart() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM, types_of=lambda _: {"a": MeasureType.VARCHAR})

    assert measures(normaliser.normalise(one({"a": 1}), 0)) == [{"a_double": 1.0}]


def test_an_unlisted_number_takes_the_bigint_that_the_table_has() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM, types_of=lambda _: {"a": MeasureType.BIGINT})

    (batch,) = normaliser.normalise(frame(("default", "t", b'{"a":3}'), ("default", "t", b'{"a":4.0}')), 0).batches

    assert batch.measures["a"].to_pylist() == [3, 4]
    assert batch.types["a"] is MeasureType.BIGINT


@pytest.mark.parametrize(
    ("asked", "sent", "stored"),
    [
        (MeasureType.VARCHAR, 2.5, {"a": "2.5"}),
        (MeasureType.VARCHAR, True, {"a": "true"}),
        (MeasureType.BOOLEAN, "on", {"a": True}),
        (MeasureType.DOUBLE, True, {"a": 1.0}),
    ],
)
def test_a_type_that_an_operator_asked_for_takes_what_a_configured_one_does(
    asked: MeasureType, sent: object, stored: dict[str, object]
) -> None:
    """Text that was asked for is not given up for a number, either."""
    normaliser = Normaliser(
        [EVERYTHING],
        SeriesRegistry(),
        STREAM,
        types_of=lambda _: {"a": asked},
        open_texts_of=lambda _: ["a"],
        asked_types_of=lambda _: ["a"],
    )

    normalised = normaliser.normalise(one({"a": sent}), 0)

    assert measures(normalised) == [stored]
    assert normalised.decisions == []


def test_text_that_was_asked_for_is_kept_where_its_rows_come_again_from_the_log() -> None:
    """The store knows that it was asked for, and has no row of it yet."""
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM, asked_types_of=lambda _: ["a"])

    found = [measures(normaliser.normalise(one({"a": value}), offset)) for offset, value in enumerate(("err", 5))]

    assert found == [[{"a": "err"}], [{"a": "5"}]]


def test_write_records_keep_their_place_among_messages() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)

    normalised = normaliser.normalise_many([(0, one({"a": 1})), (1, write(2.0)), (2, one({"a": 3}))])

    assert [batch.by_version for batch in normalised.batches] == [False, True, False]
    assert [batch.offset.tolist() for batch in normalised.batches] == [[0], [1], [2]]


def test_messages_follow_the_types_that_write_records_brought_and_the_other_way_round() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)

    normalised = normaliser.normalise_many(
        [(0, write("text")), (1, one({"a": 1})), (2, one({"b": 1})), (3, write("text", column="b"))]
    )

    assert measures(normalised) == [
        {"a": "text"},
        {"a_double": 1.0},
        {"b": 1.0},
        {"b": "text"},
    ]  # the store rejects the last
    assert measures(normaliser.normalise(one({"b": "text"}), 4)) == [{"b_text": "text"}]


def test_damaged_write_records_and_frames_are_dead_letters() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)
    damaged = Frame(1, FrameKind.WRITE_RECORDS, [ARRIVAL_NS], ["farm-7"], [""], [b"\xc1"])
    normaliser.normalise(one({"a": 1}), 0)

    letter = the_letter(normaliser.normalise(damaged, 1))
    of_frame = normaliser.damaged_frame(2, b"\x00", "no frame")

    assert (letter.reason, letter.account) == (Reason.DAMAGED_FRAME, "farm-7")
    assert (of_frame.id, of_frame.payload) == ("0123456789abcdef:0:2:0", b"\x00")
    assert (of_frame.reason, of_frame.detail, of_frame.arrival_ns) == (Reason.DAMAGED_FRAME, "no frame", ARRIVAL_NS)


def test_each_message_of_a_frame_that_does_not_match_its_checksum_is_a_dead_letter() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)
    columns = [ARRIVAL_NS] * 2, ["farm-7", "farm-8"], ["a/1", "a/2"], [b'{"v": 1}', b"?"]

    letters = normaliser.damaged(3, encode_frame(FrameKind.MQTT, *columns), "damaged")
    (of_no_frame,) = normaliser.damaged(4, b"\x00", "damaged")

    assert [letter.id.rsplit(":", 1)[1] for letter in letters] == ["0", "1"]
    assert [(letter.account, letter.mqtt_topic, letter.payload) for letter in letters] == list(
        zip(*columns[1:], strict=True)
    )
    assert {letter.reason for letter in (*letters, of_no_frame)} == {Reason.DAMAGED}
    assert of_no_frame.payload == b"\x00"


def test_what_the_gateway_rejected_is_a_dead_letter_as_it_says() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)
    payloads = [encode_rejection(Rejection(Reason.TOO_LARGE, "5 MiB", b"{head")), b"\xc1"]
    rejected = Frame(1, FrameKind.REJECTED, [ARRIVAL_NS, ARRIVAL_NS + 1], ["farm-7"] * 2, ["cam/1"] * 2, payloads)

    normalised = normaliser.normalise_many([(0, one({"a": 1})), (1, rejected), (2, one({"a": 2}))])

    assert len(normalised.batches) == 2
    good, damaged = normalised.dead_letters
    assert good == DeadLetter(
        "0123456789abcdef:0:1:0", "farm-7", "cam/1", b"{head", Reason.TOO_LARGE, "5 MiB", ARRIVAL_NS
    )
    assert (damaged.id, damaged.reason) == ("0123456789abcdef:0:1:1", Reason.DAMAGED_FRAME)


def test_a_table_made_anew_starts_with_no_series_and_no_kinds() -> None:
    registry = SeriesRegistry()
    normaliser = Normaliser([EVERYTHING], registry, STREAM)
    normaliser.normalise(one({"a": 1}), 0)

    registry.drop(READINGS)
    (batch,) = normaliser.normalise(one({"a": "text"}), 1).batches

    assert batch.index is registry.of(READINGS)
    assert rows(batch)[0]["measures"] == {"a": "text"}


def test_memory_of_sources_shapes_and_series_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normaliser_module, "MAX_SOURCES", 10)
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)
    normaliser.normalise(one({"a": 1}), 0)

    for number in range(1_100):
        normaliser.normalise(one({"a": 1, f"b{number % 999}": None, f"c{number}": None}, topic=f"t/{number}"), 0)

    assert sum(len(sources) for sources in normaliser._sources.values()) <= 10
    assert all(len(table.plans) <= 1_024 for table in normaliser._tables.values())


def test_a_shape_with_objects_inside_becomes_columns_from_its_second_batch_on() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)
    body = {"a": {"b": 1, "c": "x"}, "d": 2}

    messages = [("default", "site/device", encoded(body))] * table_work.SMALL_GROUP
    found = [rows(normaliser.normalise(frame(*messages), offset).batches[0])[0] for offset in range(3)]

    assert [row["measures"] for row in found] == [{"a_b": 1.0, "a_c": "x", "d": 2.0}] * 3
    (table,) = normaliser._tables.values()
    assert table.plans["a", "d"].is_nested
    assert ("a_b", "a_c", "d") in table.flat_plans


def test_a_batch_has_the_types_that_the_store_expects() -> None:
    (batch,) = normalise({"a": 1}, {"b": "x"}).batches

    assert (batch.series.dtype, batch.time_ns.dtype) == (np.int32, np.int64)
    assert batch.version.tolist() == [1, 1]
    assert batch.measures["a"].type == pa.float64()
    assert batch.measures["b"].to_pylist() == [None, "x"]
    assert batch.partition == STREAM


def test_a_measure_that_is_null_in_every_row_is_no_column() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)
    normaliser.normalise(one({"a": 1, "b": 1}), 0)

    (batch,) = normaliser.normalise(one({"a": 1, "b": None}), 1).batches

    assert list(batch.measures) == ["a"]


def test_kinds_are_decided_in_log_order_whichever_way_messages_take() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)
    normaliser.normalise(one({"a": 1}), 0)

    # The first is found among messages of a known shape, the second is read by itself from the start.
    normalised = normaliser.normalise(frame(("default", "t", b'{"a":{"b":1}}'), ("default", "t", b'[{"a_b":"x"}]')), 1)

    assert measures(normalised) == [{"a_b": 1.0}, {"a_b_text": "x"}]


def test_of_more_than_256_known_measures_the_last_are_in_more() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)
    many = {f"m{i}": 1 for i in range(257)}
    normaliser.normalise(frame(("default", "t", encoded(dict(list(many.items())[:200])))), 0)
    normaliser.normalise(frame(("default", "t", encoded(dict(list(many.items())[200:])))), 1)

    (found,) = measures(normaliser.normalise(one(many), 2))
    assert list(found) == [*list(many)[:255], "_more"]


def test_an_error_of_ours_costs_one_message_and_not_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(payload: bytes, *others: Any) -> Any:
        if b"poison" in payload:
            raise ArithmeticError("nobody expected this")
        return reading.read(payload, *others)

    monkeypatch.setattr(table_work, "read", read)

    normalised = normalise({"a": 1}, {"a": [], "poison": 1}, {"a": 2})

    (batch,) = normalised.batches
    (letter,) = normalised.dead_letters
    assert [row["measures"] for row in rows(batch)] == [{"a": 1}, {"a": 2}]
    assert (letter.reason, "nobody expected this" in letter.detail) == (Reason.FAILED, True)
