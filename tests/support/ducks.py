"""DuckDB databases that stores of tests use one after another: to open one takes ten times as long as to empty it."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import duckdb

from store.engine.duck import Duck

_Kind = tuple[Path | None, int]
_free: defaultdict[_Kind, list[Duck]] = defaultdict(list)
_LEFT = """
SELECT 'DROP TABLE', table_name FROM duckdb_tables() WHERE database_name = 'memory'
UNION ALL
SELECT 'DETACH', database_name FROM duckdb_databases() WHERE NOT internal AND database_name <> 'memory'
"""


class LentDuck(Duck):
    """As `Duck`; also files of other tests can be read, but none outside their common folder."""

    def __init__(self, readable: Path | None, memory_bytes: int) -> None:
        """Take one that is free, or open one."""
        common = Path(tempfile.gettempdir()).resolve()
        is_below = readable is not None and readable.resolve().is_relative_to(common)
        self._kind: _Kind = (common if is_below else readable, memory_bytes)
        free = _free[self._kind]
        self._lent: Duck | None = free.pop() if free else Duck(*self._kind)
        self._connection = self._lent.cursor()

    def close(self) -> None:
        """Give it back, if everything in it could be removed."""
        super().close()
        lent, self._lent = self._lent, None
        if lent is not None and is_emptied(lent):
            _free[self._kind].append(lent)
        elif lent is not None:
            lent.close()


def is_emptied(duck: Duck) -> bool:
    """Whether everything could be removed."""
    with duck.cursor() as cursor, suppress(duckdb.Error):
        for kind, name in cursor.execute(_LEFT).fetchall():
            cursor.execute(f"{kind} {name}")
        return True
    return False
