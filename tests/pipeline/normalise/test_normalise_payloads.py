"""What a payload becomes: the rules of the user's guide, one by one."""

from typing import Any

import pytest
from normalise_frames import ARRIVAL_NS, EVERYTHING, encoded, frame, measures, normalise, rows, the_letter

from pipeline.dead_letter import Reason
from pipeline.normalise.routes import MeasureRule, Route, TimeField, TimeUnit
from pipeline.normalise.templates import TopicTemplate
from store.record import MeasureType
from store.units import conversion

MS = TimeField("ts", TimeUnit.MS)
TS = ARRIVAL_NS // 10**6


def route(**changes: Any) -> Route:
    return Route("agriculture", "readings", TopicTemplate("gh/{zone}/{sensor}"), **changes)


LISTED = route(
    measures={
        "temperature": MeasureRule("temperature", MeasureType.DOUBLE),
        "temp_f": MeasureRule("temperature", MeasureType.DOUBLE, conversion("fahrenheit", "celsius")),
        "count": MeasureRule("count", MeasureType.BIGINT),
        "open": MeasureRule("open", MeasureType.BOOLEAN),
        "note": MeasureRule("note", MeasureType.VARCHAR),
        "alias": MeasureRule("renamed"),
    }
)


def listed(body: Any) -> Any:
    return normalise(body, route=LISTED, topic="gh/north/s-1")


def test_an_object_is_one_record_with_all_its_measures() -> None:
    (batch,) = normalise({"temperature": 21.4, "humidity": 60}).batches

    assert rows(batch) == [
        {
            "table": "default/default.readings",
            "offset": 7,
            "arrival_ns": ARRIVAL_NS,
            "time_ns": ARRIVAL_NS,
            "dimensions": {"topic_1": "site", "topic_2": "device"},
            "measure_name": "readings",
            "zone": "site",
            "measures": {"temperature": 21.4, "humidity": 60.0},
            "types": {"temperature": "double", "humidity": "double"},
        }
    ]


def test_an_unlisted_value_has_the_type_that_json_says_and_every_number_is_a_double() -> None:
    (row,) = rows(normalise({"i": 3, "f": 2.5, "e": 1e3, "b": True, "t": "on", "u": 2**64 - 1}).batches[0])

    assert row["measures"] == {"i": 3.0, "f": 2.5, "e": 1000.0, "b": True, "t": "on", "u": float(2**64 - 1)}
    assert row["types"] == {
        "i": "double",
        "f": "double",
        "e": "double",
        "b": "boolean",
        "t": "varchar",
        "u": "double",
    }


def test_null_is_absent() -> None:
    assert measures(normalise({"a": None, "b": 1}, {"a": 2, "b": None})) == [{"b": 1.0}, {"a": 2.0}]


def test_nested_objects_flatten() -> None:
    assert measures(normalise({"a": {"b": {"c": 1}, "d": 2}, "e": 3})) == [{"a_b_c": 1.0, "a_d": 2.0, "e": 3.0}]


def test_the_last_of_duplicate_keys_counts_also_after_flattening_and_renaming() -> None:
    assert measures(normalise(b'{"a":1,"a":2}')) == [{"a": 2.0}]
    assert measures(normalise(b'{"a_b":1,"a":{"b":2}}')) == [{"a_b": 2.0}]
    assert measures(normalise(b'{"a":{"b":2},"a_b":1}')) == [{"a_b": 1.0}]
    assert measures(normalise(b'{"a_b":1,"a":{"b":null}}')) == [{"a_b": 1.0}]
    assert measures(listed(b'{"temp_f":212,"temperature":5}')) == [{"temperature": 5.0}]
    assert measures(listed(b'{"temperature":5,"temp_f":212}')) == [{"temperature": 100.0}]


def test_an_array_is_a_record_for_each_object_and_arrival_times_count_up() -> None:
    (batch,) = normalise([{"a": 1}, {"a": 2}, {"a": 3}]).batches

    found = rows(batch)
    assert [row["measures"]["a"] for row in found] == [1.0, 2.0, 3.0]
    assert [row["time_ns"] - ARRIVAL_NS for row in found] == [0, 1, 2]


def test_elements_of_an_array_have_their_own_times() -> None:
    (batch,) = normalise([{"ts": TS, "a": 1}, {"ts": TS - 5, "a": 2}], route=route(time=MS), topic="gh/1/2").batches

    assert [row["time_ns"] // 10**6 - TS for row in rows(batch)] == [0, -5]


@pytest.mark.parametrize(("body", "value"), [(b"21.5", 21.5), (b" 7 ", 7.0), (b"true", True), (b'"on"', "on")])
def test_a_single_value_is_the_measure_called_value(body: bytes, value: object) -> None:
    assert measures(normalise(body)) == [{"value": value}]


def test_a_single_value_can_be_given_a_name() -> None:
    named = route(measures={"value": MeasureRule("temperature", MeasureType.DOUBLE)})

    assert measures(normalise(b"21.5", route=named, topic="gh/1/2")) == [{"temperature": 21.5}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"temp_f": 32}, {"temperature": 0.0}),
        ({"count": 2**63 - 1}, {"count": 2**63 - 1}),
        ({"count": 21.0}, {"count": 21}),
        ({"open": False}, {"open": False}),
        ({"note": ""}, {"note": ""}),
        ({"note": "é" * 1024}, {"note": "é" * 1024}),
        ({"alias": "x"}, {"renamed": "x"}),
        ({"temperature": 2**53 + 1}, {"temperature": float(2**53)}),
    ],
)
def test_listed_measures_are_named_converted_and_typed(body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert measures(listed(body)) == [expected]


DEEP = b'{"a":' * 17 + b"1" + b"}" * 17

BAD = [
    (b"", Reason.EMPTY_PAYLOAD, "0 bytes"),
    (b" \n", Reason.EMPTY_PAYLOAD, "2 bytes"),
    (b'{"a":"\xff"}', Reason.INVALID_UTF8, "position 6"),
    (b"ON", Reason.INVALID_JSON, "'ON'"),
    (b'{"a":1', Reason.INVALID_JSON, "line 1 column 7"),
    (b'{"a":"\\ud800"}', Reason.INVALID_JSON, "surrogate"),
    (b'{"a":NaN}', Reason.NOT_FINITE, "NaN is not JSON"),
    (b'{"a":-Infinity}', Reason.NOT_FINITE, "-Infinity is not JSON"),
    (b'{"a":1e999}', Reason.NOT_FINITE, "'1e999' is beyond a double"),
    (b'{"a":1' + b"0" * 400 + b"}", Reason.NOT_FINITE, "beyond a double"),
    (DEEP, Reason.TOO_DEEP, "more than 16 objects"),
    (b"[" * 2_000, Reason.TOO_DEEP, "more than 1024 levels"),
    (b'{"a":' * 2_000, Reason.TOO_DEEP, "more than 1024 levels"),
    ({"a": 1, "b": [1]}, Reason.ARRAY_INSIDE, "'b' is an array"),
    ({"a": {"b": []}}, Reason.ARRAY_INSIDE, "'a_b' is an array"),
    ([{"a": 1}, 2], Reason.ARRAY_INSIDE, "element 1 of the array is 2"),
    ({}, Reason.NO_MEASURES, "nothing in it"),
    ([], Reason.NO_MEASURES, "empty array"),
    ([{"a": 1}, {}], Reason.NO_MEASURES, "nothing in it"),
    (b"null", Reason.NO_MEASURES, "nothing in it"),
    ({"a": None}, Reason.NO_MEASURES, "nulls"),
    ({f"m{i}": i for i in range(257)}, Reason.TOO_MANY_MEASURES, "257 measures"),
    ({"a": "x" * 2_049}, Reason.OUT_OF_RANGE, "a text of 2049 bytes"),
    ({"a:b": 1}, Reason.BAD_NAME, "'a:b' holds :"),
    ({"": 1}, Reason.BAD_NAME, "0 bytes"),
    ({"time": 1}, Reason.BAD_NAME, '"time" is reserved'),
    ({"measure_value": 1}, Reason.BAD_NAME, "reserved"),
    ({"ts_x": 1}, Reason.BAD_NAME, "reserved"),
    ({"a\x00": 1}, Reason.BAD_NAME, "control character"),
    ({"m" * 257: 1}, Reason.BAD_NAME, "257 bytes"),
    ({"topic_3": 1}, Reason.BAD_NAME, "'topic_3' is a dimension of default.readings"),
    ([{"a": 1}, {"a": "x"}], Reason.WRONG_TYPE, "a: 'x', but the measure is double"),
]


@pytest.mark.parametrize(("body", "reason", "detail"), BAD)
def test_what_cannot_become_a_record_is_a_dead_letter_that_says_why(body: Any, reason: Reason, detail: str) -> None:
    letter = the_letter(normalise(body))

    assert letter.reason is reason
    assert detail in letter.detail
    assert (letter.id, letter.account, letter.mqtt_topic) == ("0123456789abcdef:0:7:0", "default", "site/device")
    assert (letter.payload, letter.arrival_ns) == (encoded(body), ARRIVAL_NS)


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        ({"temperature": "21"}, Reason.WRONG_TYPE, "temperature: '21', but the measure is double"),
        ({"temperature": True}, Reason.WRONG_TYPE, "temperature: True, but the measure is double"),
        ({"count": 1.5}, Reason.WRONG_TYPE, "count: 1.5, but the measure is bigint"),
        ({"count": 2**63}, Reason.OUT_OF_RANGE, "count: 9223372036854775808 is beyond a bigint"),
        (b'{"count":-9223372036854775809}', Reason.OUT_OF_RANGE, "count: -9.22"),
        ({"open": 1}, Reason.WRONG_TYPE, "open: 1, but the measure is boolean"),
        ({"note": 1}, Reason.WRONG_TYPE, "note: 1, but the measure is varchar"),
        ({"temp_f": 1.7e308}, Reason.OUT_OF_RANGE, "temperature: 1.7e+308 is beyond a double in the measure's unit"),
        ({"sensor": 1}, Reason.BAD_NAME, "'sensor' is a dimension"),
    ],
)
def test_a_listed_measure_of_the_wrong_type_or_range_takes_the_whole_message(
    body: Any, reason: Reason, detail: str
) -> None:
    good = {"humidity": 1.0}
    letter = the_letter(listed({**body, **good} if isinstance(body, dict) else body))

    assert letter.reason is reason
    assert detail in letter.detail


def test_every_reason_has_a_test() -> None:
    elsewhere = {  # in test_normaliser and test_event_time
        Reason.NO_ROUTE,
        Reason.BAD_DIMENSION,
        Reason.TIME_MISSING,
        Reason.TIME_UNREADABLE,
        Reason.TIME_OUT_OF_RANGE,
        Reason.TOO_FAR_AHEAD,
        Reason.TOO_LATE,
        Reason.DAMAGED_FRAME,
        Reason.TOO_LARGE,  # the gateway's
        Reason.BAD_PUBLISH,
    }

    assert {reason for _, reason, _ in BAD} | elsewhere == set(Reason)


def test_one_bad_message_takes_only_itself() -> None:
    normalised = normalise({"a": 1}, b"{", {"a": 2}, {"a": "x"}, {"a": 3})

    assert [row["measures"]["a"] for row in rows(normalised.batches[0])] == [1.0, 2.0, 3.0]
    assert [(x.id, x.reason) for x in normalised.dead_letters] == [
        ("0123456789abcdef:0:7:1", Reason.INVALID_JSON),
        ("0123456789abcdef:0:7:3", Reason.WRONG_TYPE),
    ]


@pytest.mark.parametrize(("first", "second"), [(1, "x"), ("x", 1), (True, 1), (1, True), ("x", True)])
def test_a_measure_keeps_the_kind_it_was_first_seen_with(first: object, second: object) -> None:
    normalised = normalise({"a": first}, {"a": second}, {"a": first})

    assert [x.reason for x in normalised.dead_letters] == [Reason.WRONG_TYPE]
    assert len(normalised.batches[0]) == 2


def test_a_rejected_message_does_not_decide_a_kind() -> None:
    normalised = normalise({"a": "x", "b": []}, {"a": 1})

    assert [x.reason for x in normalised.dead_letters] == [Reason.ARRAY_INSIDE]
    assert rows(normalised.batches[0])[0]["measures"] == {"a": 1.0}


def test_a_table_has_at_most_1024_measures() -> None:
    bodies = [{f"m{i}_{j}": 1 for j in range(256)} for i in range(4)]

    normalised = normalise(*bodies, {"one_more": 1}, {"m0_0": 2})

    assert [(x.reason, x.id[-1]) for x in normalised.dead_letters] == [(Reason.TOO_MANY_MEASURES, "4")]
    assert len(normalised.batches[0]) == 5


def test_an_empty_frame_is_nothing() -> None:
    assert normalise().batches == []
    assert len(frame()) == 0
    assert EVERYTHING.measures == {}
