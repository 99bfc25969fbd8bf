"""SHOW MEASURES from what the owners have noted is SHOW MEASURES from all rows, on every worker, at every moment."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from workers_bench import PARTITIONS, T0, TABLE, Asked, Bench

from store import layout
from store.sql import ResultSet, SqlRequest, at_once, show
from store.state.partition_state import PartitionState
from store.state.series import _State
from store.testing import Row, ask
from tests.support.examples import times
from tests.support.tables import evict_sealed, save_pending_rows

TEXT = "SHOW MEASURES FROM d.t"
MEASURES = {
    "single": ["measure_value::double"],
    "other": ["measure_value::bigint"],
    "climate": ["temperature", "Humidity", "note"],
    "": ["temperature", "x"],
}
VALUES = {"measure_value::bigint": 3, "note": "text", "x": True}


def listed(asked: Asked) -> ResultSet | None:
    """The answer without a look at rows."""
    with asked.lender(TABLE.account) as lender:
        return at_once(lender, SqlRequest(TEXT, asked.bench.now_ns))


def scanned(asked: Asked) -> ResultSet:
    """The answer from rows."""
    return ask(asked, TABLE.account, TEXT, now_ns=asked.bench.now_ns)


def row(rng: random.Random, number: int) -> Row:
    """A row with few of the possible columns."""
    name = rng.choices(list(MEASURES), [8, 1, 4, 1])[0]
    dimensions = {"host": f"h{rng.randrange(5)}"}
    for dimension in ("rack", "Room", "zone"):
        if rng.random() < 0.05:
            dimensions[dimension] = "a"
    chosen = rng.sample(MEASURES[name], rng.choice([1, 1, len(MEASURES[name])]))
    values = tuple((measure, VALUES.get(measure, float(number))) for measure in chosen)
    late_ns = rng.choice([0, 0, 1_000])
    return Row(tuple(sorted(dimensions.items())), T0 + number - late_ns, values, 1, name)


def forget_contents(bench: Bench) -> None:
    """Make the saved series those of an earlier program, and open every partition again."""
    for partition in PARTITIONS:
        worker = bench.worker_of[partition]
        bench.owners[partition].flush()
        bench.workers[worker].revoke(bench.owners[partition])
        keep = PartitionState(bench.workers[worker].objects, partition)
        kept = keep.latest(layout.series_kind(TABLE))
        if kept is not None:
            state = msgspec.msgpack.decode(kept[1], type=_State)
            saved = (state.blocks, state.last_ns, state.superseded_ns)  # an array without the last member
            keep.save(layout.series_kind(TABLE), kept[0], msgspec.msgpack.encode(saved))
        bench.take(partition, worker)


def forget_series(bench: Bench) -> None:
    """Lose the saved series."""
    for partition in PARTITIONS:
        worker = bench.worker_of[partition]
        bench.owners[partition].flush()
        bench.workers[worker].revoke(bench.owners[partition])
        keep = PartitionState(bench.workers[worker].objects, partition)
        if keep.latest(layout.series_kind(TABLE)) is not None:
            keep.save(layout.series_kind(TABLE), 0, b"damaged")
        bench.take(partition, worker)


def maintain(bench: Bench) -> None:
    """As often as there may be files: each time one is read."""
    files = [len(table.files()) for store in bench.owners.values() for table in store.all_tables()]
    for _ in range(2 + max(files, default=0)):
        bench.each(lambda store: store.maintain())


CHANGES = {
    "flush": lambda bench: bench.each(lambda store: store.flush()),
    "save": lambda bench: bench.each(save_pending_rows),
    "maintain": lambda bench: bench.each(lambda store: store.maintain()),
    "evict": lambda bench: bench.each(lambda store: evict_sealed(store.all_tables())),
    "retake": lambda bench: [bench.retake(partition) for partition in PARTITIONS],
    "hand over": lambda bench: [
        bench.hand_over(partition, (bench.worker_of[partition] + 1) % 2) for partition in PARTITIONS
    ],
    "earlier program": forget_contents,
    "lost": forget_series,
}


@pytest.mark.parametrize("seed", range(times(6)))
def test_what_is_listed_is_what_a_scan_finds(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    bench = Bench(str(tmp_path / "magnetic"))
    bench.workers[0].catalog.ensure(TABLE)
    number = 0
    has_forgotten = False
    for _ in range(min(10, 4 + times(6))):
        for _ in range(rng.randrange(3)):
            count = rng.randrange(1, 12)
            bench.write([row(rng, number + extra) for extra in range(count)])
            number += count
        change = rng.choice(list(CHANGES))
        CHANGES[change](bench)
        has_forgotten |= change in {"earlier program", "lost"}
        is_maintained = rng.random() < 0.5
        if is_maintained:
            maintain(bench)
        for worker in range(2):
            found, expected = listed(Asked(bench, worker)), scanned(Asked(bench, worker))
            assert found is not None or (has_forgotten and not is_maintained)
            if found is not None:
                assert list(found.rows()) == list(expected.rows()), (change, worker)
                assert found.table.schema == expected.table.schema
    bench.each(lambda store: store.flush())
    maintain(bench)
    final = listed(Asked(bench, 0))
    assert final is not None
    assert list(final.rows()) == list(scanned(Asked(bench, 0)).rows())
    bench.close()


def test_the_list_keeps_what_only_expired_rows_had(tmp_path: Path) -> None:
    """This is where it may list more: see `store.catalog.contents`."""
    bench = Bench(str(tmp_path / "magnetic"))
    bench.write([Row((("host", "a"),), T0, (("old", 1.0),))])
    bench.now_ns += 4 * 86_400 * 10**9
    bench.write([Row((("host", "a"),), bench.now_ns, (("new", 1.0),), 1, "n")])

    found = listed(Asked(bench, 0))

    assert found is not None
    assert [name for name, *_ in found.rows()] == ["m", "n"]
    assert [name for name, *_ in scanned(Asked(bench, 0)).rows()] == ["n"]
    bench.close()


def test_a_long_list_is_left_to_a_query_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(str(tmp_path / "magnetic"))
    bench.write([Row((("host", "a"),), T0, (("v", 1.0),))])
    assert listed(Asked(bench, 0)) is not None

    monkeypatch.setattr(show, "LISTED", 0)

    assert listed(Asked(bench, 0)) is None
    bench.close()
