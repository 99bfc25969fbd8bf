"""The columns and the plain reading of one message at a time are one definition: random messages come to the same."""

from collections import Counter
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from normalise_frames import ARRIVAL_NS, STREAM, Message, frame, rows

from pipeline.base.errors import PayloadError
from pipeline.log.dead_letter import Reason
from pipeline.stream.normalise.alterations import Alteration
from pipeline.stream.normalise.measuring import text_column
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.patterns import Patterns
from pipeline.stream.normalise.reading import read
from pipeline.stream.normalise.routes import Arrays, MeasureRule, Route, TimeField, TimeUnit
from pipeline.stream.normalise.templates import TopicTemplate
from pipeline.stream.normalise.texts import Texts
from pipeline.stream.normalise.values import is_word
from store.catalog.limits import DEFAULTS
from store.catalog.units import conversion
from store.record import MeasureType, SeriesRegistry
from store.values.templates import fill
from tests.support.examples import examples, some

TS = ARRIVAL_NS // 10**6
ROUTES = [
    Route(
        "agriculture",
        "readings",
        TopicTemplate("gh/{zone}/{sensor}"),
        zone="{zone}",
        time=TimeField("ts", TimeUnit.MS),
        measure_name="climate",
        dimensions=("device",),
        future_ns=10**9,
        late_ns=10**9,
        measures={
            "temperature": MeasureRule("temperature", MeasureType.DOUBLE),
            "temp_f": MeasureRule("temperature", MeasureType.DOUBLE, conversion("fahrenheit", "celsius")),
            "count": MeasureRule("count", MeasureType.BIGINT),
            "note": MeasureRule("note"),
        },
    ),
    Route("other", "readings", TopicTemplate("any/{device}"), time=TimeField("ts", TimeUnit.US)),
    Route(
        "some",
        "readings",
        TopicTemplate("some/{device}"),
        time=TimeField("ts", TimeUnit.MS),
        takes=Patterns(ignore=("flag", "b_*"), only=("?", "*e", "a_b", "count", "text", "b")),
        arrays=Arrays.INDEX,
        each="c",
    ),
    Route("default", "readings", TopicTemplate("#")),
]

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1) | st.integers(-5, 5)
scalars = numbers | st.booleans() | st.sampled_from(["", "on", "21.5", "nan", "1e999", "unknown"]) | st.none()
values = scalars | st.sampled_from(
    [[1], [], [{"b": 1}, {"b": 2, "ts": TS}], {}, {"b": 1}, {"b": None, "c": {"d": "x"}}, {"b": []}, {"c": [1, "x"]}]
)
names = st.sampled_from(
    ["a", "b", "a_b", "c", "count", "temperature", "temp_f", "note", "zone", "x:y", "x_y", "time", "a_text", "a_double"]
)
times = st.sampled_from([TS, TS + 1, TS - 999, TS - 5_000, TS + 5_000, -1, None, float(TS), TS + 0.5, "x", 2**63, True])
devices = st.sampled_from(["d-1", "d-2", "", 7, None, 1.5, True])


def body_of(keys: tuple[str, ...], value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    special = {"ts": times, "device": devices}
    return st.fixed_dictionaries({key: special.get(key, value) for key in keys})


usual = st.sampled_from([TS, TS + 1, TS - 999])
ordinary = st.sampled_from(
    [("ts", "temperature", "a"), ("ts", "a", "temperature"), ("ts", "device", "count", "temp_f"), ("a", "b")]
).flatmap(lambda keys: body_of(keys, st.floats(-100, 100) | st.integers(-100, 100)))
odd = st.lists(st.sampled_from(["ts", "device"]) | names, unique=True, max_size=4).flatmap(
    lambda keys: body_of(tuple(keys), values)
)
# One shape whose measures are known (see GOOD), so that good messages become columns and odd ones must be noticed.
good: dict[str, st.SearchStrategy[Any]] = {
    "n": st.floats(-100, 100) | st.integers(-100, 100),
    "text": st.sampled_from(["", "on", "é" * 1_024, 'x":y']),
    "flag": st.booleans(),
    "count": st.integers(-(2**63), 2**63 - 1),
    "temp_f": st.floats(-100, 100) | st.integers(-100, 100) | st.just(1.7e308),
    "note": st.text(max_size=3),
}
known = st.fixed_dictionaries(
    {"ts": usual | usual | usual | times} | {k: v | v | v | st.none() | values for k, v in good.items()}
)
empty = st.fixed_dictionaries({"ts": usual} | {key: st.none() for key in good})
GOOD = {"ts": TS, "n": 1, "text": "x", "flag": True, "count": 1, "temp_f": 32, "note": "x"}
PRIMING = [
    (account, topic, orjson.dumps(GOOD))
    for account in ("default", "farm-7")
    for topic in ("gh/n/1", "any/1", "some/1", "a")
]
bodies = known | known | empty | ordinary | odd | st.lists(ordinary | odd, max_size=3) | scalars
payloads = bodies.map(orjson.dumps) | st.sampled_from(
    [
        b"",
        b"{",
        b"\xff",
        b"ON",
        b'{"a":NaN}',
        b'{"a":NaN,"b":1}',
        b'{"a":1e999}',
        b'{"a":1,"a":"x"}',
        b'{"a":1,"a":null}',
        b'{"b":{"c":1},"b":{"d":2}}',
        b'{"b":{"c":1},"b":null}',
        b'{"a":1,"device":"d","device":null}',
        b'{"ts":1758639600000.0001,"a":1}',
        b'{"ts":%d,"ts":null,"a":1}' % TS,
        b'{"a" : 1}',
    ]
)
messages = st.tuples(
    st.sampled_from(["default", "farm-7"]),
    st.sampled_from(
        ["gh/north/s-1", "gh/north/s-2", "gh//s-3", "any/s-1", "some/s-1", "a/b", "$SYS/x", "c/" + "x" * 2_100]
    ),
    payloads,
)


class Alone:
    """What messages become, each read by itself, and what is known of their tables after that."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kinds: dict[tuple[str, str], dict[str, MeasureType]] = {}
        self.texts: dict[tuple[str, str], Texts] = {}
        self.allowance: dict[tuple[str, str], int] = {}
        self.alterations: Counter[tuple[str, str, Alteration]] = Counter()

    def read(self, account: str, topic: str, payload: bytes, arrival_ns: int) -> tuple[list[dict[str, Any]], Any]:
        """The rows of one message, as `normalise_frames.rows` has them but for the offset, and its problem."""
        route = next((route for route in ROUTES if route.topics.match(topic) is not None), None)
        if route is None:
            raise PayloadError(Reason.NO_ROUTE, f"no table takes the MQTT topic {topic!r}")
        known = self.kinds.setdefault((account, route.database), {})
        free = self.most - len(known) - ("_more" not in known)
        allowance = self.allowance.setdefault((account, topic), free // 4 + 1)
        texts = self.texts.setdefault((account, route.database), Texts())
        message = read(payload, route, arrival_ns, known, max(0, min(free, allowance)), texts.open)
        found, kinds = [], known | message.new_types | message.given_up
        for reading in message.readings:
            of_payload = zip(route.dimensions, reading.dimension_values, strict=True)
            dimensions = dict(zip(*(route.topics.match(topic) or ((), ())), strict=True)) | {
                name: value for name, value in of_payload if value
            }
            if sum(len((name + value).encode()) for name, value in dimensions.items()) > 2_048:
                raise PayloadError(Reason.BAD_DIMENSION, "too long")
            found.append(
                {
                    "table": f"{account}/{route.database}.{route.table}",
                    "arrival_ns": arrival_ns,
                    "time_ns": reading.time_ns,
                    "dimensions": dimensions,
                    "measure_name": route.measure_name,
                    "zone": fill(route.zone, dimensions) if route.zone else topic.rpartition("/")[0] or topic,
                    "measures": reading.measures,
                    "types": {  # a text stays one, though a later reading of the message gives its name to a number
                        name: "varchar" if isinstance(value, str) else kinds[name].value
                        for name, value in reading.measures.items()
                    },
                }
            )
        known.update(message.new_types)
        texts.begin(name for name, kind in message.new_types.items() if kind is MeasureType.VARCHAR)
        for row in found:
            for name in row["measures"].keys() & texts.open.keys():
                if is_word(row["measures"][name]):
                    texts.sent(name, str(row["dimensions"]))
        for name, kind in message.given_up.items():
            known[name] = kind
            texts.give_up(name, kind)
        self.allowance[account, topic] -= message.claimed
        for (name, alteration), count in message.alterations.items():
            self.alterations[f"{account}/{route.database}.{route.table}", name, alteration] += count
        return found, message.problem


def plainly(frames: list[list[Message]], most: int) -> tuple[list[dict[str, Any]], list[tuple[str, Reason]], Alone]:
    """What the frames become, each message by itself."""
    alone = Alone(most)
    found, letters = [], []
    for offset, its_messages in enumerate(frames):
        for index, (account, topic, payload) in enumerate(its_messages):
            try:
                its_rows, problem = alone.read(account, topic, payload, ARRIVAL_NS + index)
            except PayloadError as error:
                problem = error
            else:
                found += [{**row, "offset": offset} for row in its_rows]
            if problem is not None:
                letters.append((f"0123456789abcdef:0:{offset}:{index}", Reason(problem.reason)))
    return found, letters, alone


def exact(row: dict[str, Any], given_up: set[tuple[str, str]]) -> dict[str, Any]:
    """The row with its measures as text: 1, 1.0 and true are equal in Python, and so are 0.0 and -0.0.

    Texts under a name that a number has now are given as they are read: in the other column, however they are stored.
    """

    def name_of(name: str) -> str:
        is_given_up = (row["table"], name) in given_up and row["types"][name] == "varchar"
        return text_column(name, ROUTES[-1]) if is_given_up else name

    return {
        **row,
        "measures": {name_of(name): repr(value) for name, value in row["measures"].items()},
        "types": {name_of(name): kind for name, kind in row["types"].items()},
    }


def together_and_alone(
    frames: list[list[Message]], together: int, *, most: int = DEFAULTS.measures, small_group: int = 1
) -> None:
    """Assert that the frames, so many at once, become what each of their messages becomes alone.

    Groups of `small_group` and more become columns; a table has at most `most` measures that are not configured.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.stream.normalise.table_work.SMALL_GROUP", small_group)
        _together_and_alone(frames, together, most)


def _together_and_alone(frames: list[list[Message]], together: int, most: int) -> None:
    normaliser = Normaliser(ROUTES, SeriesRegistry(), STREAM, limits=replace(DEFAULTS, measures=most))
    numbered = [(offset, frame(*its_messages)) for offset, its_messages in enumerate(frames)]
    found: list[dict[str, Any]] = []
    decisions: set[Any] = set()
    letters = []
    alterations: Counter[tuple[str, str, Alteration]] = Counter()
    for start in range(0, len(numbered), together):
        normalised = normaliser.normalise_many(numbered[start : start + together])
        letters += [(letter.id, letter.reason) for letter in normalised.dead_letters]
        for (table, name, alteration), count in normalised.altered.items():
            alterations[str(table), name, alteration] += count
        decisions |= {(str(table), name, kind) for table, name, kind in normalised.decisions}
        found += [row for batch in normalised.batches for row in rows(batch)]

    expected, expected_letters, alone = plainly(frames, most)

    given_up = {(table, name) for table, name, kind in decisions if kind is not MeasureType.VARCHAR}
    assert decisions == {
        (f"{account}/{database}.readings", name, kind)
        for (account, database), texts in alone.texts.items()
        for name, kind in texts.news.items()
    }
    assert alterations == alone.alterations
    assert letters == expected_letters
    for table in {row["table"] for row in expected + found}:
        assert [exact(row, given_up) for row in found if row["table"] == table] == [
            exact(row, given_up) for row in expected if row["table"] == table
        ]


@examples(150)
@given(st.lists(st.lists(messages, max_size=12), max_size=4), st.integers(1, 4), st.booleans())
def test_together_and_one_by_one_come_to_the_same(frames: list[list[Message]], together: int, is_primed: bool) -> None:
    together_and_alone([PRIMING, *frames] if is_primed else frames, together)


@examples(200)
@given(
    st.lists(st.lists(messages, max_size=12), max_size=4),
    st.integers(1, 4),
    st.sampled_from([0, DEFAULTS.measures]),
    st.booleans(),
)
def test_messages_of_rare_shapes_come_to_the_same(
    frames: list[list[Message]], together: int, most: int, is_primed: bool
) -> None:
    together_and_alone([PRIMING, *frames] if is_primed else frames, together, most=most, small_group=99)


ODD = [
    None,
    True,
    0,
    -1,
    1.5,
    2.0,
    1e300,
    2**53 + 1,
    2**63,
    2**64 - 1,
    "x",
    "5",
    "nan",
    {},
    {"b": 1},
    [],
    [1],
    [{"b": 1}],
    [{"x": 1, "ts": TS + 1}],
]


@pytest.mark.parametrize("topic", ["gh/n/1", "any/1", "some/1", "a"])
@pytest.mark.parametrize("field", ["device", *GOOD])
def test_one_odd_value_among_good_messages_comes_to_the_same(topic: str, field: str) -> None:
    for odd_value in some(ODD):
        bodies = [GOOD, {**GOOD, field: odd_value}, GOOD]

        together_and_alone([PRIMING, [("default", topic, orjson.dumps(body)) for body in bodies]], 1)


@pytest.mark.parametrize("topic", ["gh/n/1", "any/1", "some/1", "a"])
def test_a_message_of_nulls_among_good_ones_comes_to_the_same(topic: str) -> None:
    nulls = dict.fromkeys(GOOD, None) | {"ts": TS}
    bodies = [GOOD, nulls, {**nulls, "n": 1}]

    together_and_alone([PRIMING, [("default", topic, orjson.dumps(body)) for body in bodies]], 1)


def test_fields_that_become_one_measure_come_to_the_same() -> None:
    bodies = [{"ts": TS, "n": 1, "temperature": a, "temp_f": b} for a in (1, None) for b in (32, None)]

    together_and_alone([PRIMING, [("default", "gh/n/1", orjson.dumps(body)) for body in bodies]], 1)


def test_a_text_before_a_number_under_its_name_in_one_message_comes_to_the_same() -> None:
    frames = [
        [("default", "a/b", b'[{"a":0.5,"device":"d-1"}]')],
        [("default", "a/b", b'[{"count":"","device":"d-1"},{"device":1.5}]')],
    ]

    together_and_alone(frames, 1)


def test_the_reference_load_is_never_read_one_by_one(monkeypatch: Any) -> None:
    normaliser = Normaliser(ROUTES, SeriesRegistry(), STREAM)
    payload = orjson.dumps({"ts": TS, "temperature": 21.5, "humidity": 60, "co2": 412, "soil": 0.4})
    batch = frame(*[("default", f"gh/north/s-{number}", payload) for number in range(100)])
    normaliser.normalise(batch, 0)

    monkeypatch.setattr("pipeline.stream.normalise.table_work.read", None)

    assert len(normaliser.normalise(batch, 1).batches[0]) == 100
