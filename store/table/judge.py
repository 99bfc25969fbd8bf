"""What becomes of a record of WriteRecords whose key is stored already. Pure.

Timestream's rule (CreateTable … `Version` in the API reference): the same values and version again are a success that
changes nothing; a higher version overwrites the whole record, also with equal values; a lower one, or the same with
other values, is rejected and told the version that stands. What comes over MQTT is merged (`store.table.merging`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from store.record import Outcome


@dataclass(frozen=True, slots=True)
class Stored:
    """The row that stands at a key: its version and values by measure, absent ones left out."""

    version: int
    values: Mapping[str, object]


def judge(stored: Stored | None, version: int, values: Mapping[str, object]) -> Outcome:
    """The outcome of a record with `version` and `values` where `stored` stands."""
    if stored is None:
        return Outcome.NEW
    if version > stored.version:
        return Outcome.REPLACED
    if version == stored.version and stored.values == values:
        return Outcome.SAME
    return Outcome.REJECTED
