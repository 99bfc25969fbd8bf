"""The bins of one rollup table in one account, while they are made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from store.catalog.catalog import TableInfo
from store.catalog.rollup_table import RollupTable
from store.catalog.schema import Column
from store.endpoint.batch_model import Model
from store.endpoint.errors import QueryExecution, Validation
from store.endpoint.rollups.statement import statement, statement_of_gone
from store.endpoint.scheduled.derived import Deriving, Result
from store.reading.changes import Changes
from store.sql import SqlRequest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Making:
    """What is made: rows of `target` from those of a table with these columns, which has had these changes."""

    deriving: Deriving
    rollup: RollupTable
    target: TableInfo
    columns: Sequence[Column]
    found: Changes

    async def make(self, from_ns: int, to_ns: int) -> int:
        """Make the bins in [from, to); returns the number of records. Raises EndpointError, StoreError, OSError."""
        records = await self._fill(from_ns, to_ns)
        emptied, width_ns = self.found.emptied, self.rollup.bin_ns
        if emptied is None or np.any((emptied >= from_ns // width_ns) & (emptied < to_ns // width_ns)):
            records += await self._clear(from_ns, to_ns)
        return records

    async def _fill(self, from_ns: int, to_ns: int) -> int:
        """Make the rows of series that have some; in parts, if the result of all is too large."""
        try:
            return await self._derive(*statement(self.rollup, self.columns, from_ns, to_ns))
        except (QueryExecution, Validation):
            bins = (to_ns - from_ns) // self.rollup.bin_ns
            if bins == 1:
                raise
            middle_ns = from_ns + bins // 2 * self.rollup.bin_ns
            return await self._fill(from_ns, middle_ns) + await self._fill(middle_ns, to_ns)

    async def _clear(self, from_ns: int, to_ns: int) -> int:
        """Set the counts to 0 of series all of whose rows were deleted."""
        gone = statement_of_gone(self.rollup, self.columns, await asyncio.to_thread(self._made), from_ns, to_ns)
        return 0 if gone is None else await self._derive(*gone)

    def _made(self) -> Sequence[Column]:
        table = self.target.table
        with self.deriving.call_for(table.account).store.snapshot(table.account) as snapshot:
            return snapshot.schema(table.database, table.table).columns

    async def _derive(self, text: str, model: Model) -> int:
        call, result = self.deriving.call_for(self.deriving.account), Result()
        request = SqlRequest(text, self.deriving.version, call.executor.limits.result_rows, is_cut=False)
        parts = await self.deriving.ask(request, model, result)
        await self.deriving.store(self.target, model, parts, result)
        if result.mistakes.count:
            log.warning("the rollup table %s.%s lacks some bins: %s", *self.rollup.target, result.mistakes.told)
        return result.ingested
