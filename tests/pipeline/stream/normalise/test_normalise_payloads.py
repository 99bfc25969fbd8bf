"""What a payload becomes: the rules of the user's guide, one by one."""

from typing import Any

import orjson
import pytest
from normalise_frames import ARRIVAL_NS, EVERYTHING, STREAM, encoded, frame, measures, normalise, rows, the_letter

from pipeline.log.dead_letter import EARLIER, Reason
from pipeline.stream.normalise.alterations import Alteration
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.patterns import Patterns
from pipeline.stream.normalise.routes import Arrays, MeasureRule, Route, TimeField, TimeUnit
from pipeline.stream.normalise.templates import TopicTemplate
from store.catalog.units import conversion
from store.record import MeasureType, SeriesRegistry, TableId

TABLE = TableId("default", "default", "readings")
READINGS = TableId("default", "agriculture", "readings")
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


BAD = [
    (b"", Reason.EMPTY_PAYLOAD, "0 bytes"),
    (b" \n", Reason.EMPTY_PAYLOAD, "2 bytes"),
    (b"\xff\x00", Reason.INVALID_UTF8, "position 0"),
    (b"\x08\x01\x12", Reason.INVALID_JSON, "neither JSON nor text"),
    (b'{"a":1', Reason.INVALID_JSON, "line 1 column 7"),
    (b'{"a":21,5}', Reason.INVALID_JSON, "21,5"),
    (b'{"a":21.5 C}', Reason.INVALID_JSON, "21.5 C"),
    (b'"cut', Reason.INVALID_JSON, "cut"),
    (b"[" * 2_000, Reason.TOO_DEEP, "depth limit"),
    (b'{"a":' * 2_000, Reason.TOO_DEEP, "depth limit"),
    (b'{"a":' * 500 + b"1" + b"}" * 500, Reason.TOO_DEEP, "Recursion limit"),
    ({}, Reason.NO_MEASURES, "nothing in it"),
    ([], Reason.NO_MEASURES, "nothing in it"),
    ([{}, {"a": None}], Reason.NO_MEASURES, "nothing in it"),
    (b"null", Reason.NO_MEASURES, "nothing in it"),
    (b"nan", Reason.NO_MEASURES, "no value in it"),
    (b"unknown", Reason.NO_MEASURES, "{'value': 'unknown'}"),
    ({"a": None}, Reason.NO_MEASURES, "nulls"),
    ({"a": []}, Reason.NO_MEASURES, "nulls"),
]


@pytest.mark.parametrize(("body", "reason", "detail"), BAD)
def test_what_cannot_become_a_record_is_a_dead_letter_that_says_why(body: Any, reason: Reason, detail: str) -> None:
    letter = the_letter(normalise(body))

    assert letter.reason is reason
    assert detail in letter.detail
    assert (letter.id, letter.account, letter.mqtt_topic) == ("0123456789abcdef:0:7:0", "default", "site/device")
    assert (letter.payload, letter.arrival_ns) == (encoded(body), ARRIVAL_NS)


NEARLY_JSON = [
    (b'{"a":nan,"b":-inf,"c":NaN,"d":Infinity,"e":nan(0x1),"f":1}', {"f": 1.0}),
    (b'{"a":1e999,"b":1}', {"b": 1.0}),
    (b'{"a":1' + b"0" * 400 + b',"b":1}', {"b": 1.0}),
    (b'{"a":+5.2,"b":.5,"c":5.,"d":007,"e":-.5e1}', {"a": 5.2, "b": 0.5, "c": 5.0, "d": "007", "e": -5.0}),
    (b'{"a":ON,"b":True,"c":FALSE,"d":None}', {"a": "ON", "b": True, "c": False}),
    (b"{'a': 'it\\'s', 'b': 'say \"x\"', c: 1}", {"a": "it's", "b": 'say "x"', "c": 1.0}),
    (b'{"a":,"b":1,}', {"b": 1.0}),
    (b'{"a":[1,nan,],"b":1}', {"a": "[1,null]", "b": 1.0}),
    (b'\xef\xbb\xbf{"a":1}', {"a": 1.0}),
    ('{"a":1}'.encode("utf-16"), {"a": 1.0}),
    (b'{"a":1}\x00{"a":2', {"a": 1.0}),
    (b'{"a":"x\ty\nz"}', {"a": "x\ty\nz"}),
    (b'{"a":"21\xb0C"}', {"a": "21°C"}),
    (b'{"a":"c:\\p\\\\q"}', {"a": "c:\\p\\q"}),
    (b'{"a":"\\ud800x","\\ud83c\\udf21":1}', {"a": "\ufffdx", "🌡": 1.0}),
    (b'{"a":-9223372036854775809,"b":ON}', {"a": -9223372036854775809.0, "b": "ON"}),
]


@pytest.mark.parametrize(("body", "expected"), NEARLY_JSON)
def test_what_is_nearly_json_is_read_as_it_is_meant(body: bytes, expected: dict[str, Any]) -> None:
    assert measures(normalise(body)) == [expected]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"ON", "ON"),
        (b"21,5", "21,5"),
        (b"21.5 C", "21.5 C"),
        (b"007", "007"),
        (b"0x1F", "0x1F"),
        (b"a:1;b:2\n", "a:1;b:2"),
        ("zwölf".encode(), "zwölf"),
        (b"+5.2", 5.2),
        (b".5", 0.5),
        (b"5.\r\n", 5.0),
        (b"True", True),
    ],
)
def test_a_bare_word_is_a_number_a_boolean_or_text(body: bytes, value: object) -> None:
    assert measures(normalise(body)) == [{"value": value}]


def test_objects_one_after_the_other_are_a_record_each() -> None:
    assert measures(normalise(b'{"a":1}\n{"a":2}\n')) == [{"a": 1.0}, {"a": 2.0}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"t":21.5,"t":null,"h":1}', {"t": 21.5, "h": 1.0}),
        (b'{"t":1,"t":2}', {"t": 2.0}),
        (b'{"s":{"t":1},"s":{"h":2}}', {"s_t": 1.0, "s_h": 2.0}),
        (b'{"s":{"t":1},"s":{"t":null}}', {"s_t": 1.0}),
        (b'{"s":{"t":1},"s":7}', {"s": 7.0}),
        (b'{"s":7,"s":{"t":1}}', {"s_t": 1.0}),
        (b'{"a":{"b":5},"a_b":null}', {"a_b": 5.0}),
        (b'{"a_b":7,"a":{"b":null}}', {"a_b": 7.0}),
        (b'{"a_b":7,"a":{"b":5}}', {"a_b": 5.0}),
        (b'{"t" : 21.5, "t" : null}', {"t": 21.5}),
        (b'{"x":[{"t":1,"t":null}]}', {"x": '[{"t":1}]'}),
    ],
)
@pytest.mark.parametrize("is_known", [False, True])
def test_of_keys_of_one_name_the_last_that_is_not_null_counts_and_objects_merge(
    body: bytes, expected: dict[str, Any], is_known: bool
) -> None:
    known = [body, body] if is_known else []

    assert measures(normalise(*known, body))[-1] == expected


def test_objects_beyond_16_levels_stay_json_text() -> None:
    deep: Any = {"b": 1}
    for _ in range(16):
        deep = {"a": deep}

    assert measures(normalise(deep)) == [{"_".join("a" * 16): '{"b":1}'}]


def test_a_text_may_be_as_long_as_a_message() -> None:
    assert measures(normalise({"a": "é" * 50_000})) == [{"a": "é" * 50_000}]


ARRAYS = {"p": [120, 80, 0], "e": [], "rx": [{"id": "a1", "rssi": -61}, {"id": "b2"}], "t": 1}


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        (Arrays.JSON, [{"p": "[120,80,0]", "rx": '[{"id":"a1","rssi":-61},{"id":"b2"}]', "t": 1.0}]),
        (
            Arrays.INDEX,
            [{"p_0": 120.0, "p_1": 80.0, "p_2": 0.0, "rx_0_id": "a1", "rx_0_rssi": -61.0, "rx_1_id": "b2", "t": 1.0}],
        ),
        (
            Arrays.ROWS,
            [
                {"t": 1.0, "p": 120.0, "rx_id": "a1", "rx_rssi": -61.0},
                {"t": 1.0, "p": 80.0, "rx_id": "b2"},
                {"t": 1.0, "p": 0.0},
            ],
        ),
        (Arrays.DROP, [{"t": 1.0}]),
    ],
)
def test_arrays_become_what_the_table_says(arrays: Arrays, expected: list[dict[str, Any]]) -> None:
    (batch,) = normalise(ARRAYS, route=route(arrays=arrays), topic="gh/1/2").batches

    found = rows(batch)
    assert [row["measures"] for row in found] == expected
    assert [row["time_ns"] - ARRIVAL_NS for row in found] == list(range(len(expected)))


def test_each_makes_a_row_of_each_element_with_the_other_fields_on_all_of_them() -> None:
    kepware = {
        "timestamp": TS,
        "plant": "north",
        "values": [{"id": "Ch1.Dev1.T", "v": 21.5, "q": True, "t": TS - 5}, {"id": "Ch1.Dev1.P", "v": 4, "q": True}],
    }
    each = route(each="values", time=TimeField("t", TimeUnit.MS), dimensions=("id",))

    normalised = normalise(kepware, route=each, topic="gh/1/2")

    assert [
        (row["dimensions"]["id"], row["time_ns"] // 10**6 - TS, row["measures"]) for row in rows(normalised.batches[0])
    ] == [("Ch1.Dev1.T", -5, {"timestamp": float(TS), "plant": "north", "v": 21.5, "q": True})]
    assert [(letter.reason, letter.detail[:13]) for letter in normalised.dead_letters] == [
        (Reason.TIME_MISSING, "the field 't'")
    ]


def test_rows_that_share_a_time_are_a_nanosecond_apart() -> None:
    burst = {"ts": TS, "data": {"samples": [1, 2, 3]}}

    (batch,) = normalise(burst, route=route(each="data_samples", time=MS), topic="gh/1/2").batches

    found = rows(batch)
    assert [(row["time_ns"] - TS * 10**6, row["measures"]) for row in found] == [
        (0, {"data_samples": 1.0}),
        (1, {"data_samples": 2.0}),
        (2, {"data_samples": 3.0}),
    ]


def test_an_array_of_scalars_is_one_value_and_one_with_an_object_is_rows() -> None:
    assert measures(normalise([1, "x"])) == [{"value": '[1,"x"]'}]
    assert measures(normalise([{"a": 1}, None, 2])) == [{"a": 1.0}, {"value": 2.0}]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("time", "_time"),
        ("measure_name", "_measure_name"),
        ("measure_value::double", "_measure_value__double"),
        ("ts_sensor", "_ts_sensor"),
        ("", "_"),
        ("A4:C1:38", "A4_C1_38"),
        ("a\x00b", "a_b"),
        ("topic_3", "_topic_3"),
        ("_more", "__more"),
        ("m" * 257, "m" * 247 + "_12b2dd02"),
        ("Time", "Time"),
        ("température °C", "température °C"),
    ],
)
def test_a_name_that_no_measure_may_have_is_made_safe(name: str, safe: str) -> None:
    normalised = normalise({name: 1}, {name: 2})

    assert measures(normalised) == [{safe: 1.0}, {safe: 2.0}]
    assert normalised.altered == ({(TABLE, name, Alteration.RENAMED): 2} if name != safe else {})


def test_a_safe_name_takes_no_place_of_another_field() -> None:
    assert measures(normalise({"time": 1, "_time": 2, "a:b": 3, "a_b": 4})) == [
        {"__time": 1.0, "_time": 2.0, "_a_b": 3.0, "a_b": 4.0}
    ]


def test_only_and_ignore_say_which_fields_are_taken() -> None:
    only = route(takes=Patterns(ignore=("*_raw",), only=("t*",)), time=MS)

    normalised = normalise(
        {"ts": TS, "temp": 1, "temp_raw": 2, "rssi": {"t": 3}},
        {"ts": TS, "rssi": 4},
        {"rssi": 5},
        route=only,
        topic="gh/1/2",
    )

    assert measures(normalised) == [{"temp": 1.0}]
    assert normalised.altered == {
        (READINGS, "temp_raw", Alteration.IGNORED): 1,
        (READINGS, "rssi_t", Alteration.IGNORED): 1,
        (READINGS, "rssi", Alteration.IGNORED): 2,
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"temperature": "21"}, {"temperature": 21.0}),
        ({"temperature": " 21.5e0 "}, {"temperature": 21.5}),
        ({"temperature": True}, {"temperature": 1.0}),
        ({"temperature": "warm"}, {"temperature_text": "warm"}),
        ({"temperature": [1]}, {"temperature_text": "[1]"}),
        ({"temperature": "unavailable"}, {}),
        ({"temperature": "NaN"}, {}),
        ({"temperature": "-"}, {}),
        ({"temp_f": "32"}, {"temperature": 0.0}),
        ({"temp_f": 1.7e308}, {"temperature_double": 1.7e308}),
        ({"count": "7"}, {"count": 7}),
        ({"count": "007.0"}, {"count": 7}),
        ({"count": "9007199254740993"}, {"count": 9007199254740993}),
        ({"count": 1.5}, {"count_double": 1.5}),
        ({"count": 2**63}, {"count_double": float(2**63)}),
        (b'{"count":-9223372036854775809}', {"count_double": float(-(2**63))}),
        ({"open": 1}, {"open": True}),
        ({"open": "off"}, {"open": False}),
        ({"open": 2}, {"open_double": 2.0}),
        ({"open": "ajar"}, {"open_text": "ajar"}),
        ({"open": "unknown"}, {}),
        ({"note": 1}, {"note": "1"}),
        ({"note": False}, {"note": "false"}),
        ({"note": "unknown"}, {"note": "unknown"}),
        ({"sensor": 1}, {"_sensor": 1.0}),
    ],
)
def test_a_value_that_is_not_its_columns_kind_costs_no_other_and_is_kept_beside_it(
    body: Any, expected: dict[str, Any]
) -> None:
    body = {**body, "humidity": 1.0} if isinstance(body, dict) else body[:-1] + b',"humidity":1}'

    assert measures(listed(body)) == [{**expected, "humidity": 1.0}]


@pytest.mark.parametrize(
    ("first", "second", "beside"),
    [
        (1, "x", "a_text"),
        (True, 1, "a_double"),
        (1, True, "a_boolean"),
        ("x", True, "a_boolean"),
        (True, "on", "a_text"),
    ],
)
def test_a_measure_keeps_the_kind_it_was_first_seen_with_and_others_go_beside_it(
    first: object, second: object, beside: str
) -> None:
    normalised = normalise({"a": first}, {"a": second}, {"a": first})

    assert measures(normalised) == [{"a": first}, {beside: second}, {"a": first}]
    assert normalised.altered == {(TABLE, "a", Alteration.OTHER_COLUMN): 1}


@pytest.mark.parametrize("word", ["unavailable", "Unknown", "none", "NULL", "nan", "-inf", "-", "n/a"])
def test_a_word_for_no_value_decides_no_kind(word: str) -> None:
    normalised = normalise({"a": word, "b": 1}, {"a": 1}, {"a": word, "b": 1})

    assert measures(normalised) == [{"b": 1.0}, {"a": 1.0}, {"b": 1.0}]
    assert normalised.altered == {(TABLE, "a", Alteration.NO_VALUE): 2}


@pytest.mark.parametrize("empty", ["", " "])
def test_empty_text_is_text_until_the_column_is_known_to_be_none(empty: str) -> None:
    normalised = normalise(
        {"a": empty, "n": 1}, {"a": empty, "n": empty}, {"n": empty, "b": True}, {"b": empty, "n": 2}
    )

    assert measures(normalised) == [{"a": empty, "n": 1.0}, {"a": empty}, {"b": True}, {"n": 2.0}]
    assert normalised.altered == {(TABLE, "n", Alteration.NO_VALUE): 2, (TABLE, "b", Alteration.NO_VALUE): 1}


def stored(*frames_: Any, texts: Any = None) -> tuple[list[dict[str, Any]], list[Any]]:
    """The measures and decisions of messages of (topic, body), a frame each, of one normaliser."""
    types = {"a": MeasureType.VARCHAR} if texts is not None else {}
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM, lambda _: types, lambda _: texts or ())
    found: list[dict[str, Any]] = []
    decisions: list[Any] = []
    for offset, its_messages in enumerate(frames_):
        normalised = normaliser.normalise(
            frame(*[("default", topic, encoded(body)) for topic, body in its_messages]), offset
        )
        found += measures(normalised)
        decisions += [(name, kind.value) for _, name, kind in normalised.decisions]
    return found, decisions


def test_a_text_that_only_one_series_sent_gives_its_name_up_to_the_first_number() -> None:
    found, decisions = stored([("d/0", {"a": "err"})], [("d/1", {"a": 21.5})], [("d/0", {"a": "err"})])

    assert found == [{"a": "err"}, {"a": 21.5}, {"a_text": "err"}]  # the store reads the first beside it, too
    assert decisions == [("a", "double")]


def test_texts_of_the_same_call_go_beside_the_number_that_has_their_name() -> None:
    found, decisions = stored([("d/0", {"a": "err"}), ("d/0", {"a": "err", "b": 1}), ("d/1", {"a": 21.5})])

    assert found == [{"a_text": "err"}, {"b": 1.0, "a_text": "err"}, {"a": 21.5}]
    assert decisions == [("a", "double")]


@pytest.mark.parametrize("nothing", ["", "unavailable"])
def test_texts_that_say_nothing_keep_no_name_from_a_number_however_many_send_them(nothing: str) -> None:
    devices = [(f"d/{number}", {"a": nothing}) for number in range(3)]
    found, decisions = stored([("d/0", {"a": "err"})], devices, [("d/4", {"a": 21.5})])

    assert found[-1] == {"a": 21.5}
    assert decisions == [("a", "double")]


def test_a_text_that_two_series_sent_is_text_for_good() -> None:
    found, decisions = stored([("d/0", {"a": "on"})], [("d/1", {"a": "off"})], [("d/2", {"a": 1}), ("d/2", {"a": 2})])

    assert found == [{"a": "on"}, {"a": "off"}, {"a_double": 1.0}, {"a_double": 2.0}]
    assert decisions == [("a", "varchar")]


@pytest.mark.parametrize(
    ("texts", "expected", "decisions"),
    [([], {"a_double": 1.0}, []), (["a"], {"a": 1.0}, [("a", "double")])],
)
def test_the_store_knows_after_a_restart_which_texts_are_open(
    texts: list[str], expected: dict[str, Any], decisions: list[Any]
) -> None:
    assert stored([("d/0", {"a": 1})], texts=texts) == ([expected], decisions)


def test_a_configured_text_gives_its_name_to_nothing() -> None:
    found = listed({"note": "x"}), normalise({"note": "x"}, {"note": 1}, route=LISTED, topic="gh/1/2")

    assert [measures(normalised) for normalised in found] == [[{"note": "x"}], [{"note": "x"}, {"note": "1"}]]


def test_what_has_no_place_beside_its_column_is_kept_in_more() -> None:
    normalised = normalise({"a": 1, "a_text": 2}, {"a": "x"}, {"a": "y", "a_text": 3})

    assert measures(normalised) == [
        {"a": 1.0, "a_text": 2.0},
        {"_more": '{"a":"x"}'},
        {"a_text": 3.0, "_more": '{"a":"y"}'},
    ]
    assert normalised.altered == {(TABLE, "a", Alteration.MORE): 2}


def test_a_dimension_is_any_scalar_as_text() -> None:
    by_device = route(dimensions=("device",))

    (batch,) = normalise(
        *[{"device": device, "a": 1} for device in ("d", 7, 1.5, True, "", None)], route=by_device, topic="gh/1/2"
    ).batches

    assert [row["dimensions"].get("device") for row in rows(batch)] == ["d", "7", "1.5", "true", None, None]


def test_every_reason_has_a_test() -> None:
    elsewhere = {  # in test_normaliser, test_limits and test_event_time
        Reason.NO_ROUTE,
        Reason.BAD_DIMENSION,
        Reason.TOO_MANY_SERIES,
        Reason.OVER_QUOTA,
        Reason.TIME_MISSING,
        Reason.TIME_UNREADABLE,
        Reason.TIME_OUT_OF_RANGE,
        Reason.TOO_FAR_AHEAD,
        Reason.TOO_LATE,
        Reason.DAMAGED_FRAME,
        Reason.FAILED,
        Reason.DAMAGED,
        Reason.TOO_LARGE,  # the gateway's
        Reason.BAD_PUBLISH,
    }

    assert {reason for _, reason, _ in BAD} | elsewhere == set(Reason) - EARLIER


def test_one_bad_message_takes_only_itself() -> None:
    normalised = normalise({"a": 1}, b"{", {"a": 2}, {}, {"a": 3})

    assert [row["measures"]["a"] for row in rows(normalised.batches[0])] == [1.0, 2.0, 3.0]
    assert [(x.id, x.reason) for x in normalised.dead_letters] == [
        ("0123456789abcdef:0:7:1", Reason.INVALID_JSON),
        ("0123456789abcdef:0:7:3", Reason.NO_MEASURES),
    ]


def test_a_record_has_at_most_256_measures_and_the_rest_of_them_in_more() -> None:
    (found,) = measures(normalise({f"m{i}": i for i in range(258)}))

    assert len(found) == 256
    assert orjson.loads(found["_more"]) == {"m255": 255, "m256": 256, "m257": 257}


def test_a_source_that_makes_up_names_leaves_three_quarters_of_what_is_free_to_others() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)
    made_up = [("default", "bad/1", encoded({f"m{i}_{j}": j for j in range(100)})) for i in range(10)]
    good = ("default", "good/1", encoded({"temperature": 21.5}))

    bad_rows = measures(normaliser.normalise(frame(*made_up), 0))
    good_rows = measures(normaliser.normalise(frame(good), 1))

    assert len({name for row in bad_rows for name in row if name != "_more"}) == 256
    assert sum(len(orjson.loads(row["_more"])) for row in bad_rows if "_more" in row) == 1_000 - 256
    assert good_rows == [{"temperature": 21.5}]


def test_a_table_has_at_most_1024_measures() -> None:
    normaliser = Normaliser([EVERYTHING], SeriesRegistry(), STREAM)
    sources = [("default", f"bad/{i}", encoded({f"m{i}_{j}": j for j in range(250)})) for i in range(60)]

    found = measures(normaliser.normalise(frame(*sources), 0))

    assert 1_000 < len({name for row in found for name in row}) <= 1_024
    assert all(sum(len(orjson.loads(row.get("_more", "{}"))) for _ in [0]) + len(row) >= 250 for row in found)


def test_an_element_costs_no_other_element() -> None:
    normalised = normalise([{"ts": TS, "a": 1}, {"a": 2}, {"ts": TS, "b": 3}], route=route(time=MS), topic="gh/1/2")

    assert [row["measures"] for row in rows(normalised.batches[0])] == [{"a": 1.0}, {"b": 3.0}]
    assert [letter.reason for letter in normalised.dead_letters] == [Reason.TIME_MISSING]


def test_a_rejected_message_does_not_decide_a_kind() -> None:
    normalised = normalise({"a": "x"}, {"ts": TS, "a": 1}, route=route(time=MS), topic="gh/1/2")

    assert [x.reason for x in normalised.dead_letters] == [Reason.TIME_MISSING]
    assert rows(normalised.batches[0])[0]["measures"] == {"a": 1.0}


def test_an_empty_frame_is_nothing() -> None:
    assert normalise().batches == []
    assert len(frame()) == 0
    assert EVERYTHING.measures == {}
