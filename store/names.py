"""The names of accounts and tables, and the types of measures.

Apart from `store.record`, so that what reads the configuration loads neither numpy nor Arrow for it: a third of the CPU
of the start of `up`, and 40 MB.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from typing import Any

SYSTEM_DATABASE = "streamgauge"  # what the server writes about itself; clients read it
DEFAULT_ACCOUNT = "default"
SINGLE_MEASURE_PREFIX = "measure_value::"
"""The column of a single measure is this and its type."""


class MeasureType(enum.StrEnum):
    """The type of a measure's values, with Timestream's names."""

    DOUBLE = "double"
    BIGINT = "bigint"
    BOOLEAN = "boolean"
    VARCHAR = "varchar"
    TIMESTAMP = "timestamp"  # int64 nanoseconds UTC in Arrow and in the store

    @property
    def arrow(self) -> Any:
        """The Arrow type of the values of such a measure in batches."""
        return _arrow_types()[self]


@functools.cache
def _arrow_types() -> dict[MeasureType, Any]:
    import pyarrow as pa  # noqa: PLC0415  # see above

    return {
        MeasureType.DOUBLE: pa.float64(),
        MeasureType.BIGINT: pa.int64(),
        MeasureType.BOOLEAN: pa.bool_(),
        MeasureType.VARCHAR: pa.string(),
        MeasureType.TIMESTAMP: pa.timestamp("ns", tz="UTC"),
    }


@dataclass(frozen=True, slots=True, order=True)
class TableId:
    """The full name of a table: account ▸ database ▸ table."""

    account: str
    database: str
    table: str

    def __str__(self) -> str:
        return f"{self.account}/{self.database}.{self.table}"
