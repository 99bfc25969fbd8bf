"""A store: Delta tables with commits, a checkpoint and Parquet files, the catalog, and what a partition saves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from store import layout, upkeep
from store.catalog.catalog import TableSettings
from store.errors import DamagedRows
from store.magnetic import checked_files, tier
from store.record import TableId
from store.testing import Row, batch_of
from tests.support.lone_store import MAGNETIC, PARTITION, LoneStore, open_store
from tests.support.tables import save_pending_rows

T0 = 1_795_000_000_000_000_000
TABLE, SMALL = TableId("farm", "d", "t"), TableId("farm", "d", "small")
TEN_YEARS = timedelta(days=3650)
TEMPLATES = {("d", name): TableSettings(TEN_YEARS, TEN_YEARS, from_config=True) for name in ("t", "small")}
FRAMES = 9
STATE = f"{MAGNETIC}/{layout.OBJECTS}"
OWNED = f"{STATE}/state/{PARTITION}"
TABLE_FOLDER = f"{MAGNETIC}/farm/d/t"
PARQUET = f"{TABLE_FOLDER}/date=*/*.parquet"
Truth = dict[tuple[TableId, int], float]


def frame(offset: int) -> dict[TableId, list[Row]]:
    """The rows of this offset of the log."""
    rows = [Row((("s", str(i)),), T0 + offset * 1_000 + i, (("v", offset + i / 10),)) for i in range(10)]
    return {TABLE: rows} if offset < FRAMES - 1 else {TABLE: rows[:5], SMALL: rows[5:]}


def truth() -> Truth:
    """All values, by table and time."""
    return {
        (table, row.time_ns): float(row.values[0][1])
        for offset in range(FRAMES)
        for table, rows in frame(offset).items()
        for row in rows
    }


def opened(folder: Path, log_first: int | None = None) -> LoneStore:
    """The store in `folder`; the log has all from `log_first`, or what is above the low watermark."""
    first = {} if log_first is None else {PARTITION: log_first}
    return open_store(folder, templates=TEMPLATES, clock_ns=time.time_ns, log_first=lambda: first)


def feed(store: LoneStore, first: int) -> None:
    """Apply the log from this offset on."""
    for offset in range(first, FRAMES):
        for table, rows in frame(offset).items():
            store.apply(batch_of(store.registry.of(table), PARTITION, [offset] * len(rows), rows))
        store.advance(PARTITION, offset)
        if offset < FRAMES - 1:
            store.flush()


def rows_of(store: LoneStore) -> list[tuple[TableId, int, float]]:
    """All rows."""
    with store.snapshot("farm") as snapshot:
        return [
            (table, row["time_ns"], row["v"])
            for table in (TABLE, SMALL)
            if store.catalog.find(table) is not None
            for row in snapshot.execute(f"SELECT time_ns, v FROM {snapshot.source(table)}").to_pylist()
        ]


def read(store: LoneStore) -> list[tuple[TableId, int, float]]:
    """All rows; while a damaged file is found, the maintenance removes it."""
    for _ in range(FRAMES + 2):
        try:
            return rows_of(store)
        except DamagedRows:
            store.maintain()
    raise AssertionError("damaged files are not removed")


class Stored:
    """See `Subject`. With `log_first` the log still has what is flushed: then nothing of Parquet files is lost."""

    def __init__(self, log_first: int | None = None) -> None:
        self._log_first = log_first

    @property
    def kinds(self) -> Mapping[str, str]:
        """See `Subject`."""
        if self._log_first is not None:
            return {"Parquet, of which the log has the rows": PARQUET}
        return {
            "format of `_streamgauge/`": f"{STATE}/format",
            "catalog": f"{STATE}/catalog/*.json",
            "low watermark of the store": f"{OWNED}/floor/*",
            "pending rows": f"{OWNED}/checkpoint/*",
            "series": f"{OWNED}/series/farm/d/t/*",
            "last commit of a Delta table": f"{TABLE_FOLDER}/{layout.DELTA_LOG}/*.json",
            "a commit before it": f"{TABLE_FOLDER}/{layout.DELTA_LOG}/*0.json",
            "checkpoint of a Delta table": f"{TABLE_FOLDER}/{layout.DELTA_LOG}/*.checkpoint.parquet",
            "`_last_checkpoint`": f"{TABLE_FOLDER}/{layout.DELTA_LOG}/_last_checkpoint",
            "copy of a commit": f"{TABLE_FOLDER}/{layout.COPIES}/*.json",
            "copy of a checkpoint": f"{TABLE_FOLDER}/{layout.COPIES}/*.checkpoint.parquet",
            "Parquet": PARQUET,
        }

    def make(self, folder: Path) -> Mapping[str, Path]:
        """What a killed process leaves, with pending rows, unless the log has everything."""
        left = folder / "killed"
        with pytest.MonkeyPatch.context() as patch:
            if self._log_first is None:
                patch.setattr(tier, "CHECKPOINT_COMMITS", 5)
            store = opened(left)
            feed(store, 0)
            if self._log_first is None:
                save_pending_rows(store)
            else:
                store.flush()
            store._upkeep.save_positions()
            store.close()
        return {"killed": left, "older": left}

    def is_whole(self, folder: Path) -> bool:
        """A prefix of the log, nothing twice, nothing less at the next start."""
        for path in folder.glob(PARQUET):
            checked_files.CHECKED.forget(path)  # of an earlier case at the same place
        found = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(upkeep, "MOST_FLUSHED_ALONE", 150)
            for _ in range(2):
                store = opened(folder, self._log_first)
                feed(store, store.replay_from(PARTITION) or 0)
                rows = read(store)
                store.close()
                assert len(rows) == len({row[:2] for row in rows}), "twice"
                assert [row for row in rows if truth().get(row[:2]) != row[2]] == [], "wrong"
                found.append(len(rows))
        assert found[0] == found[1], "differs at the next start"
        return found[0] == len(truth())
