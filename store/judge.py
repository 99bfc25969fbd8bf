"""What becomes of a record whose key is stored already. Pure.

Over MQTT the later offset wins. WriteRecords follows Timestream (CreateTable … `Version` in the API reference): the
same values and version again are a success that changes nothing; a higher version overwrites, also with equal values;
a lower one, or the same with other values, is rejected and told the version that stands.
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


def judge(stored: Stored | None, version: int, values: Mapping[str, object], *, by_version: bool) -> Outcome:
    """The outcome of a record with `version` and `values` where `stored` stands."""
    if stored is None:
        return Outcome.NEW
    same = stored.values == values
    if not by_version:
        return Outcome.SAME if same else Outcome.REPLACED
    if version > stored.version:
        return Outcome.REPLACED
    if version == stored.version and same:
        return Outcome.SAME
    return Outcome.REJECTED
