"""Fields that normalise altered to store them, or left out, since this worker started: by table, for metrics, log and
HTTP.

The number of fields of an account is bounded, whatever names its devices invent: above MAX_FIELDS the rest of a table
is counted as one field, `(others)`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.base import metrics
from pipeline.stream.normalise.alterations import Alteration
from store.record import TableId

MAX_FIELDS = 500
OTHERS = "(others)"
_MAX_NAME = 100  # characters of a field's name that are displayed

_log = logging.getLogger(__name__)
_SAYS = {
    Alteration.RENAMED: "no measure may be called so: its name was made safe",
    Alteration.OTHER_COLUMN: "a value does not fit its column: it is in another one (_text, _double, _boolean)",
    Alteration.NO_VALUE: "a word or number that is no value was left out",
    Alteration.MORE: "there is no column left for it: it is in the JSON of _more",
    Alteration.DROPPED: "an array was left out (arrays: drop)",
    Alteration.NOT_STORED: "no column is left for it, and the measure _more is not text: it is not stored",
}


@dataclass(slots=True)
class AlteredField:
    """What happened to one field of a table, how often, and when last (the newest arrival of that work batch)."""

    table: TableId
    field: str
    alteration: Alteration
    count: int = 0
    last_arrival_ns: int = 0

    @property
    def table_name(self) -> str:
        """database.table."""
        return f"{self.table.database}.{self.table.table}"


class AlteredFields:
    """Written by the worker's event loop; other threads may read."""

    def __init__(self) -> None:
        self._fields: dict[tuple[TableId, str, Alteration], AlteredField] = {}
        self._of_account: Counter[str] = Counter()

    def note(self, altered: Mapping[tuple[TableId, str, Alteration], int], arrival_ns: int) -> None:
        """Count the fields that a work batch altered."""
        counts: Counter[tuple[TableId, str, Alteration]] = Counter()
        for (table, name, alteration), count in altered.items():
            key = table, name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…", alteration
            counts[key if self._has_room(key) else (table, OTHERS, alteration)] += count
        for (table, name, alteration), count in counts.items():
            found = self._fields[table, name, alteration]
            found.count += count
            found.last_arrival_ns = max(found.last_arrival_ns, arrival_ns)
            metrics.altered_fields.labels(found.table_name, found.field, alteration.value).inc(count)

    def of(self, account: str, limit: int) -> list[AlteredField]:
        """Up to `limit` fields of the account, the most frequent first."""
        own = [found for found in tuple(self._fields.values()) if found.table.account == account]
        return sorted(own, key=lambda found: -found.count)[:limit]

    def _has_room(self, key: tuple[TableId, str, Alteration]) -> bool:
        """Whether the field is counted by itself. Adds it, or the one for all others, if it is new."""
        if key in self._fields:
            return True
        table, name, alteration = key
        if self._of_account[table.account] >= MAX_FIELDS:
            self._fields.setdefault((table, OTHERS, alteration), AlteredField(table, OTHERS, alteration))
            return False
        self._of_account[table.account] += 1
        if alteration in _SAYS:
            _log.warning("table %s.%s: field %r: %s", table.database, table.table, name, _SAYS[alteration])
        self._fields[key] = AlteredField(table, name, alteration)
        return True
