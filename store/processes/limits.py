"""What one query may use. This module imports nothing, so that the configuration can, which every process loads."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one query may use. `result_bytes`: in memory, before it is encoded."""

    memory_bytes: int = 512 * MIB
    result_rows: int = 1_000_000
    result_bytes: int = 256 * MIB
