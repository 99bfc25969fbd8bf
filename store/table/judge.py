"""Version rules for records of WriteRecords whose key is already stored. Pure.

Timestream's rule (WriteRecords … `Version` in the API reference): repeating the same values and version is a success
that changes nothing; a higher version replaces the whole record, also with equal values; a lower version, or the same
with other values, is rejected, and the response contains the stored version. Records from MQTT are merged instead
(`store.table.merging`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from store.record import Outcome


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored row of a key: its version, and its values by measure; absent measures are left out."""

    version: int
    values: Mapping[str, object]


def judge(stored: Stored | None, version: int, values: Mapping[str, object]) -> Outcome:
    """The outcome of a record with `version` and `values`, if its key has the row `stored`."""
    if stored is None:
        return Outcome.NEW
    if version > stored.version:
        return Outcome.REPLACED
    if version == stored.version and stored.values == values:
        return Outcome.SAME
    return Outcome.REJECTED
