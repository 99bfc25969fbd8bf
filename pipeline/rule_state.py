"""The rules' state and its files: one per block, each with the position it covers, saved in rotation.

A pass saves every block, one at a time. The *floor* is how far the engine had come when the last whole pass began:
every frame below it is covered by the files. On disk, under `rules/`: `<account>/<database>/<table>.state` as
`Engine.snapshot` makes it, and `floors.json` ({stream: next offset}), each replaced atomically after an fsync.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from urllib.parse import quote, unquote

import orjson

from pipeline import metrics
from rules import Engine, RuleSnapshotError
from store.files import make_folders, write_atomic
from store.record import TableId

FLOORS = "floors.json"
log = logging.getLogger(__name__)


class RuleState:
    """An engine with its state on disk. Used by the worker's event loop only."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.changing = asyncio.Lock()  # held from a batch's evaluation until its alerts are durable
        self._floors: dict[str, int] = {}
        self._next: dict[str, int] = {}

    def load(self) -> None:
        """Take up the saved state. A file this program cannot read is reported, and its block starts afresh; one of a
        block without rules goes, so that a rule which comes back later does not take up an old state.
        """
        path = self.folder / FLOORS
        if path.exists():
            try:
                self._floors = _floors(path.read_bytes())
            except ValueError as error:
                # Nothing is lost: the log holds what no floor covers, and each block skips what its state has seen.
                log.warning("the rules go through all that the log holds: %s: %s", path, error)
        for file in self.folder.glob("*/*/*.state"):
            account, database = (unquote(folder.name) for folder in (file.parent.parent, file.parent))
            block = TableId(account, database, unquote(file.stem))
            try:
                self.engine.restore(block, file.read_bytes())
            except RuleSnapshotError as error:
                log.warning("the rules of %s start afresh: %s: %s", block, file, error)
            if block not in self.engine.blocks():
                file.unlink()

    def floor(self, stream: str) -> int:
        """Frames of `stream` below this offset are covered by what is saved."""
        return self._floors.get(stream, 0)

    def evaluated(self, stream: str, offset: int) -> None:
        """Everything up to and including `offset` has been evaluated, and its alerts are in the log."""
        self._next[stream] = offset + 1
        self.engine.advance(stream, offset)

    async def save_pass(self) -> None:
        """Save every block once, a block at a time, then move the floor."""
        began_s = time.perf_counter()
        reached = dict(self._next)
        for block in list(self.engine.blocks()):
            async with self.changing:
                data = self.engine.snapshot(block)
            await asyncio.to_thread(_write, self._file(block), data)
        if reached != self._floors:
            await asyncio.to_thread(_write, self.folder / FLOORS, orjson.dumps({**self._floors, **reached}))
            self._floors |= reached
        metrics.rules_save_seconds.observe(time.perf_counter() - began_s)

    def _file(self, block: TableId) -> Path:
        account, database, table = (
            quote(name, safe="").replace(".", "%2E") for name in (block.account, block.database, block.table)
        )
        return self.folder / account / database / f"{table}.state"


def _write(path: Path, data: bytes) -> None:
    make_folders(path.parent)
    write_atomic(path, data)


def _floors(data: bytes) -> dict[str, int]:
    """{stream: next offset}. Raises ValueError if `data` is not that."""
    floors = orjson.loads(data)
    if not isinstance(floors, dict) or not all(isinstance(offset, int) for offset in floors.values()):
        raise ValueError("it does not hold an offset per stream")
    return floors
