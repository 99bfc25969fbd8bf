"""Series and columns that an account, or a table, has no room for: refused in log order, the rest is stored."""

from collections.abc import Sequence

import numpy as np
import pytest
from normalise_frames import ARRIVAL_NS, EVERYTHING, STREAM, encoded, frame, rows

from pipeline.log.dead_letter import Reason
from pipeline.log.frame import Frame, FrameKind
from pipeline.stream.normalise.normaliser import Normalised, Normaliser
from pipeline.stream.normalise.routes import Route
from pipeline.stream.normalise.templates import TopicTemplate
from store.catalog.limits import Limits
from store.endpoint.payload import WriteRecord, encode_write
from store.record import Applied, MeasureType, Outcome, SeriesRegistry, SeriesRoom, TableId

OTHER = Route("default", "other", TopicTemplate("other/{id}"), dimensions=("part",))


def normaliser_with(limits: Limits, columns: int = 0) -> Normaliser:
    """Of an account that has `columns` measures in a table that is not in use."""
    room = SeriesRoom(lambda _: limits.series)
    registry = SeriesRegistry(room)
    room.registries.append(registry)
    unused = {TableId("default", "d", "unused"): columns}
    return Normaliser(
        [OTHER, EVERYTHING],
        registry,
        STREAM,
        columns_of=lambda account: unused if account == "default" else {},
        limits=limits,
    )


def write(*records: tuple[dict[str, str], dict[str, float]]) -> Frame:
    """One request: (dimensions, measures) of each record."""
    written = [
        WriteRecord(
            tuple(sorted(dimensions.items())),
            "m",
            ARRIVAL_NS + at,
            1,
            tuple((n, MeasureType.DOUBLE, v) for n, v in measures.items()),
        )
        for at, (dimensions, measures) in enumerate(records)
    ]
    payload = encode_write("default", "readings", written)
    return Frame(1, FrameKind.WRITE_RECORDS, [ARRIVAL_NS], ["default"], [""], [payload])


def outcomes(normalised: Normalised) -> list[Outcome]:
    """Of all records of the one request, if what is in the batch is stored."""
    (batch,) = normalised.batches
    count = len(batch)
    ((offset, whole),) = batch.by_request(Applied(np.zeros(count, np.uint8), np.zeros(count, np.int64)))
    assert offset == 1
    return [Outcome(outcome) for outcome in whole.outcomes]


@pytest.mark.parametrize("bodies", [(b"1", b"2", b"3", b"4"), (b"1", b'{"a": [1]}', b"{", b"4")])
def test_the_messages_of_series_beyond_the_limit_are_dead_letters_and_known_series_go_on(
    bodies: Sequence[bytes],
) -> None:
    normaliser = normaliser_with(Limits(series=3))

    first = normaliser.normalise(frame(*[("default", f"t/{n}", b"1") for n in range(3)]), 0)
    second = normaliser.normalise(frame(*[("default", f"t/{n + 1}", body) for n, body in enumerate(bodies)]), 1)
    others = normaliser.normalise(frame(("another", "t/9", b"1")), 2)

    assert len(first.batches[0]) == 3
    assert first.dead_letters == []
    assert len(second.batches[0]) == 2
    assert {letter.mqtt_topic for letter in second.dead_letters if letter.reason is Reason.TOO_MANY_SERIES} <= {
        "t/3",
        "t/4",
    }
    letter = second.dead_letters[-1]
    assert (letter.reason, letter.mqtt_topic) == (Reason.TOO_MANY_SERIES, "t/4")
    assert letter.detail == "a new series, and account default has 3; limits.series, or its quota, allows 3"
    assert len(others.batches[0]) == 1


def test_elements_of_an_array_with_known_series_are_stored() -> None:
    normaliser = normaliser_with(Limits(series=2))
    array = [{"part": "a", "v": 1}, {"part": "b", "v": 2}, {"part": "c", "v": 3}]

    normalised = normaliser.normalise(frame(("default", "other/1", encoded(array))), 0)

    assert [row["dimensions"]["part"] for row in rows(normalised.batches[0])] == ["a", "b"]
    assert [letter.reason for letter in normalised.dead_letters] == [Reason.TOO_MANY_SERIES]


H, G = {"h": "1"}, {"g": "1"}
NEW, SERIES, COLUMNS = Outcome.NEW, Outcome.TOO_MANY_SERIES, Outcome.TOO_MANY_COLUMNS


@pytest.mark.parametrize(
    ("limits", "records", "expected"),
    [
        (Limits(measures=2), [(H, {"a": 1, "b": 1}), (H, {"c": 1}), (H, {"a": 1, "c": 1})], [NEW, COLUMNS, COLUMNS]),
        (Limits(measures=1), [(H, {"b": 1, "c": 1}), (G, {"d": 1})], [COLUMNS, COLUMNS]),
        (Limits(columns=7), [(H, {"a": 1, "b": 1}), (H, {"c": 1}), (H, {"b": 1})], [NEW, COLUMNS, NEW]),
        (Limits(dimensions=1), [(H, {"a": 1}), ({**H, **G}, {"a": 1}), ({"h": "2"}, {"a": 1})], [NEW, COLUMNS, NEW]),
        (Limits(series=1), [(H, {"a": 1}), ({"h": "2"}, {"a": 1}), (H, {"b": 1})], [NEW, SERIES, NEW]),
    ],
)
def test_records_of_a_request_beyond_a_limit_are_refused_one_by_one(
    limits: Limits, records: list[tuple[dict[str, str], dict[str, float]]], expected: list[Outcome]
) -> None:
    normaliser = normaliser_with(limits, columns=5)

    normalised = normaliser.normalise(write(*records), 1)
    again = normaliser.normalise(write(*records), 1)

    assert outcomes(normalised) == outcomes(again) == expected
    assert len(normalised.batches[0]) == expected.count(NEW)
    assert len(normalised.batches[0].index.keys) == len(
        {str(r[0]) for r, o in zip(records, expected, strict=True) if o == NEW}
    )


def test_fields_beyond_the_columns_of_the_account_are_kept_in_more() -> None:
    normaliser = normaliser_with(Limits(columns=10), columns=5)

    for number in range(20):
        normaliser.normalise(frame(("default", f"t/{number}", encoded({f"a{number}": 1}))), number)
        normaliser.normalise(frame(("default", f"other/{number}", encoded({f"b{number}": 1}))), number)

    columns = {name for table in normaliser._types.values() for name in table[1]}
    assert "_more" in columns
    assert 3 <= len(columns - {"_more"}) <= 5


def test_messages_of_an_account_that_stores_too_much_are_dead_letters_and_others_are_stored() -> None:
    full = Normaliser(
        [OTHER, EVERYTHING],
        SeriesRegistry(),
        STREAM,
        over_storage=lambda account: "the account stores too much" if account == "farm" else None,
    )
    payloads = [encoded({"v": number}) for number in range(20)]
    accounts = ["farm" if number % 2 else "zoo" for number in range(20)]
    stamps = [ARRIVAL_NS + number for number in range(20)]

    for offset in (1, 2):  # before and after their shape has a plan
        found = full.normalise(Frame(1, FrameKind.MQTT, stamps, accounts, ["a/b"] * 20, payloads), offset)

        assert [(letter.account, letter.reason) for letter in found.dead_letters] == [("farm", Reason.OVER_QUOTA)] * 10
        assert [letter.payload for letter in found.dead_letters] == payloads[1::2]
        assert sum(map(len, found.batches)) == 10
