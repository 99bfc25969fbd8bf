"""WriteRecords requests that are processed together come to the same as one by one: outcomes, rows, dead letters."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.log.frame import Frame, FrameKind
from pipeline.stream.normalise.normaliser import Normaliser
from store.catalog.catalog import TableSettings
from store.catalog.limits import Limits
from store.endpoint.payload import WriteRecord, encode_write
from store.record import MeasureType, Outcome, TableId
from tests.support.examples import examples
from tests.support.lone_store import PARTITION, LoneStore, open_store
from tests.support.oracle_rows import T0, stored_rows

LIMITS = Limits(series=4, measures=3)
TABLES = ("a", "b")

values = st.sampled_from(
    [
        ("n", MeasureType.DOUBLE, 1.5),
        ("n", MeasureType.DOUBLE, float("-0.0")),
        ("n", MeasureType.BIGINT, 3),
        ("m", MeasureType.BIGINT, 7),
        ("o", MeasureType.VARCHAR, "x"),
        ("p", MeasureType.BOOLEAN, True),
    ]
)
records = st.builds(
    lambda sensor, time, version, given: WriteRecord((("s", sensor),), "m", T0 + time, version, tuple(given)),
    st.sampled_from(["s1", "s2", "s3", "s4", "s5"]),
    st.integers(0, 2),
    st.integers(1, 3),
    st.lists(values, min_size=1, max_size=2, unique_by=lambda value: value[0]),
)


def has_one_type_a_column(of: list[WriteRecord]) -> bool:
    return len({value[:2] for record in of for value in record.values}) == len(
        {value[0] for record in of for value in record.values}
    )


requests = st.tuples(st.sampled_from(TABLES), st.lists(records, min_size=1, max_size=3).filter(has_one_type_a_column))


class Applying:
    """A store and its normaliser, and what became of each request."""

    def __init__(self, folder: Path) -> None:
        self.store: LoneStore = open_store(
            folder,
            templates={("d", name): TableSettings(from_config=True) for name in TABLES},
            clock_ns=lambda: T0,
            limits=LIMITS,
        )
        self.normaliser = Normaliser([], self.store.registry, PARTITION, self.store.measure_types, limits=LIMITS)
        self.outcomes: dict[int, list[tuple[Outcome, int]]] = {}

    def take(self, frames: list[tuple[int, Frame]]) -> int:
        """Apply them together; returns the number of batches."""
        batches = self.normaliser.normalise_many(frames).batches
        for batch in batches:
            for offset, of in batch.by_request(self.store.apply(batch)):
                pairs = zip(of.outcomes.tolist(), of.existing_version.tolist(), strict=True)
                self.outcomes[offset] = [(Outcome(outcome), version) for outcome, version in pairs]
        self.store.advance(PARTITION, frames[-1][0])
        return len(batches)

    def rows(self) -> list[list[str]]:
        """Of each table."""
        with self.store.snapshot("farm") as snapshot:
            opened = [TableId("farm", "d", name) for name in TABLES if self.store.opened(TableId("farm", "d", name))]
            return [stored_rows(snapshot, table, None, None) for table in opened]


@examples(40)
@given(st.lists(st.lists(requests, min_size=1, max_size=6), min_size=1, max_size=3))
def test_requests_come_to_the_same_together_and_one_by_one(calls: list[list[tuple[str, list[WriteRecord]]]]) -> None:
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        together, alone = Applying(Path(first)), Applying(Path(second))
        offset = 0
        for call in calls:
            frames = []
            for table, of in call:
                payload = encode_write("d", table, of)
                frames.append((offset, Frame(1, FrameKind.WRITE_RECORDS, [T0 + offset], ["farm"], [""], [payload])))
                offset += 1
            together.take(frames)
            for frame in frames:
                alone.take([frame])

        assert together.outcomes == alone.outcomes
        assert set(together.outcomes) == set(range(offset))
        assert together.rows() == alone.rows()
        together.store.close()
        alone.store.close()


def test_requests_of_one_table_are_one_batch(tmp_path: Path) -> None:
    applying = Applying(tmp_path)
    frames = [
        (
            offset,
            Frame(
                1,
                FrameKind.WRITE_RECORDS,
                [T0],
                ["farm"],
                [""],
                [
                    encode_write(
                        "d",
                        TABLES[offset % 2],
                        [WriteRecord((("s", "s1"),), "m", T0 + offset, 1, (("n", MeasureType.DOUBLE, 1.0),))],
                    )
                ],
            ),
        )
        for offset in range(6)
    ]

    assert applying.take(frames) == 2
    assert applying.outcomes == {offset: [(Outcome.NEW, 0)] for offset in range(6)}
    applying.store.close()
