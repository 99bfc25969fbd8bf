"""The DELETEs of a table that the log has given and the maintenance has yet to carry out (`store.table.deleting`).

A DELETE has an offset in the log of each partition. It deletes the rows of the partition with lower offsets, and those
of partitions that no log has any more, that it chooses by their keys. Until it is carried out, a later record of a
chosen key finds nothing stored. Rows in RAM and in files are told from later ones by their sequences: no commit and no
sealed chunk lowers those of later rows below it, since it is carried out before they are committed.
"""

# ruff: noqa: S608 - SQL is put together here, from names and literals quoted by us

from __future__ import annotations

from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from store import layout
from store.catalog.deletion import ROW, Chosen
from store.engine.duck import run
from store.errors import QueryFailed
from store.memory.newness import Bools
from store.memory.tier import KEY
from store.record import Int32s, Int64s
from store.sequence import OFFSET_BITS

if TYPE_CHECKING:
    from store.table.core import Core


@dataclass(frozen=True, slots=True)
class Deleted:
    """The outcome of a DELETE in a partition: how many rows, None: nobody remembers; or why none could be deleted."""

    rows: int | None
    fault: str = ""


@dataclass(slots=True, eq=False)
class Deletion:
    """A DELETE at an offset of the own partition.

    It is carried out in slices, between which the maintenance does other work.

    is_purge       also from files that only earlier versions have
    looked_at      file → how many of its rows it deletes, and how many of these are at superseded times
    superseded_ns  the superseded times when this was begun, to count each key once
    rows           the number of its rows, once they are counted: from then on files are rewritten
    """

    offset: int
    chosen: Chosen
    is_purge: bool
    outcome: Future[Deleted] = field(default_factory=Future)
    looked_at: dict[str, tuple[int, int]] = field(default_factory=dict)
    superseded_ns: Int64s | None = None
    rows: int | None = None

    @property
    def end(self) -> int:
        """Rows of the own partition with this sequence, or a higher one, came later."""
        return self.offset << OFFSET_BITS

    def tell(self, deleted: Deleted) -> None:
        """Say that it is carried out; whoever closed the table meanwhile has cancelled the outcome."""
        with suppress(InvalidStateError):
            self.outcome.set_result(deleted)


def is_deleted(core: Core, deletion: Deletion) -> str:
    """The condition for rows of `ROW` that it deletes, as text that is never null. It is computed of no later rows."""
    return f"(CASE WHEN {came_before(core, deletion)} THEN {deletion.chosen.is_true} ELSE false END)"


def came_before(core: Core, deletion: Deletion) -> str:
    """The condition for rows that were stored when the log gave it."""
    partition, own = f'{ROW}."{layout.PARTITION}"', core.number_of(core.own_partition)
    others = core.other_partitions
    of_log = f"{partition} NOT IN ({', '.join(map(str, others))}) AND " if others else ""
    return f'({of_log}({partition} <> {own} OR {ROW}."{layout.SEQUENCE}" < {deletion.end}))'


def with_keys(core: Core, rows: str, chosen: Chosen) -> str:
    """Rows of RAM together with what their series is chosen by, as relation `ROW`."""
    there = core.memory.series_columns()
    dimensions = [
        f"{f's.{quoted}' if name in there else 'NULL::VARCHAR'} AS {quoted}"
        for name, quoted in ((name, f'"{name}"') for name in chosen.dimensions)
    ]
    listed = ", ".join(["r.*", *dimensions, f's."{layout.MEASURE_NAME}"'])
    return (
        f"(SELECT {listed} FROM {rows} r JOIN {core.memory.series_table} s "
        f'ON r."{layout.SERIES_ID}" = s."{layout.SERIES_ID}") {ROW}'
    )


def chosen_keys(core: Core, series: Int32s, time_ns: Int64s, chosen: Chosen) -> Bools:
    """For each of these keys, whether it is chosen. Under the table's lock. Raises QueryFailed."""
    keys = pa.table({layout.SERIES_ID: series, layout.TIME_NS: time_ns, KEY: np.arange(len(series))})
    found = np.zeros(len(series), np.bool_)
    cursor = core.duck.cursor()
    try:
        cursor.register("keys_to_choose", keys)
        rows = with_keys(core, "keys_to_choose", chosen)
        found[run(cursor, f'SELECT "{KEY}" FROM {rows} WHERE {chosen.is_true}')[KEY].to_numpy()] = True
    finally:
        cursor.close()
    return found


def without_deleted(core: Core, series: Int32s, time_ns: Int64s, rows: pa.Table) -> pa.Table:
    """Of stored rows of these keys, `KEY` being the place of each, those that no DELETE waits to remove.

    A DELETE whose condition fails on one of the keys will fail as a whole, and delete nothing.
    """
    for deletion in list(core.deletions):
        key, own = rows[KEY].to_numpy(), core.number_of(core.own_partition)
        is_later = rows[layout.SEQUENCE].to_numpy() >= deletion.end
        is_other = np.isin(rows[layout.PARTITION].to_numpy(), core.other_partitions)
        stays = is_other | (is_later & (rows[layout.PARTITION].to_numpy() == own))
        with suppress(QueryFailed):
            rows = rows.filter(pa.array(stays | ~chosen_keys(core, series, time_ns, deletion.chosen)[key]))
    return rows
