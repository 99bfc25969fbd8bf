"""The steps of applying a batch: convert it to the table's columns, filter its rows, and put the result into RAM."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from store.catalog.fit import unfit, without_conflicts
from store.memory.tier import Rows
from store.record import Outcome, RecordBatch
from store.sequence import OFFSET_BITS
from store.table.core import Core
from store.table.incoming import Incoming
from store.table.recast import recast
from store.table.registering import is_registering_due, register_columns
from store.table.series_state import Places
from store.table.upsert import Verdicts

_log = logging.getLogger(__name__)

# An insert into DuckDB costs about 1 ms at any size. Readers insert buffered rows first, so waiting does not hide them.
INSERT_ROWS = 8_000


@dataclass(frozen=True, slots=True, eq=False)
class Admitted:
    """The rows of a batch to apply: `incoming` has the indices `at` (None: no rows); `outcomes` of the others."""

    outcomes: npt.NDArray[np.uint8]
    at: Places
    incoming: Incoming | None


def fitted(core: Core, batch: RecordBatch, covered: int) -> RecordBatch:
    """The batch with the series ids of this table and the present types; its columns are registered for all workers.

    Blocks if a column is new. A batch that was applied before (up to `covered`) is returned unchanged.
    """
    if int(batch.offset[-1]) <= covered:
        return batch
    types = core.columns.types_to_have(batch.types, by_version=batch.by_version)
    if types is not None:
        batch = recast(batch, types, core.duck)
    if batch.index is not core.index:  # it was created for an earlier table of this name
        keys, zones = batch.index.keys, batch.index.zones
        ids = {int(s): core.index.id_of(keys[s], zones[s]) for s in np.unique(batch.series)}
        series = np.array([ids[int(s)] for s in batch.series], np.int32)
        batch = replace(batch, index=core.index, series=series)
    came = {name: batch.types[name] for name in batch.measures}
    lacking = core.columns.lacking(came, by_version=batch.by_version)
    if lacking or is_registering_due(core):
        refused = unfit(batch, core.columns.stored, core.columns.changes)
        if refused is None or not refused.rows.all():
            register_columns(core, lacking)
    return batch


def admit(core: Core, batch: RecordBatch, covered: int) -> Admitted:
    """Filter out rows that were applied before or do not fit into the table."""
    sequence = core.sequencer.number(batch.partition, batch.offset)
    outcomes, wanted = np.zeros(len(batch), np.uint8), np.ones(len(batch), np.bool_)
    if int(batch.offset[0]) <= covered:
        wanted = batch.offset > covered
        outcomes[~wanted] = Outcome.SKIPPED
    stored, changes = core.columns.stored, core.columns.changes
    found = unfit(batch, stored, changes)
    if found is not None:
        refused = found.rows & wanted
        outcomes[refused] = Outcome.REJECTED
        wanted &= ~refused
        if refused.any():
            reasons = "; ".join(found.reasons)
            _log.warning(
                "%s: %d records of %s up to offset %d are rejected: %s",
                core.id,
                refused.sum(),
                batch.partition,
                batch.offset[-1],
                reasons,
            )
    rows = np.flatnonzero(wanted)
    if not len(rows):
        return Admitted(outcomes, rows, None)
    core.add_new_series()
    fitting = without_conflicts(batch, stored, changes)
    columns = {stored.measure(name, fitting.types[name]): values for name, values in fitting.measures.items()}
    incoming = Incoming(
        batch.series, batch.time_ns, batch.version, sequence, batch.arrival_ns, columns, batch.by_version, batch.again
    )
    return Admitted(outcomes, rows, incoming if len(rows) == len(batch) else incoming.at(rows))


def put(core: Core, partition: str, rows: Incoming, verdicts: Verdicts, store_rows: int) -> None:
    """Store the rows to keep in RAM, and update series, superseded times and progress."""
    first, last = int(rows.sequence[0] >> OFFSET_BITS), int(rows.sequence[-1] >> OFFSET_BITS)
    core.progress.applied(partition, last)
    if not verdicts.kept:
        return
    number = core.number_of(partition)
    for kept in verdicts.kept:
        of = kept.rows
        measures = {column.physical: values for column, values in of.columns.items()}
        superseded = np.zeros(0, np.int64) if kept.supersedes is None else of.time_ns[kept.supersedes]
        core.memory.add(Rows(of.series, of.time_ns, of.version, number, of.sequence, measures, superseded))
        core.state.remember(of.series, of.time_ns, kept.digests, kept.slot, kept.is_known)
        core.contents.note(of.series, measures)
        core.lasts.note(of.series, of.time_ns, measures, kept.supersedes)
        if kept.supersedes is not None:
            at = kept.supersedes
            core.superseded.add(of.time_ns[at], partition, of.sequence[at] >> OFFSET_BITS)
    core.progress.stored(partition, first, last, core.now_ns, store_rows)
    if core.memory.head_rows >= INSERT_ROWS:
        core.memory.insert_head(core.now_ns)
