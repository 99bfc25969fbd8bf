"""One change of an alert, as the archive keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from pipeline.alerting.routing.entry import Entry

TRANSITIONS = ("firing", "updated", "acknowledged", "unacknowledged", "feedback", "resolved")


@dataclass(frozen=True, slots=True)
class Transition:
    """A transition.

    kind        one of TRANSITIONS
    at_ns       when: of an acknowledgement or feedback by the host's clock, else by the sample
    log_offset  of its message in [alerts]
    muted       why nobody was told of the alert at that time, if so: silenced or inhibited
    note        who acknowledged it, why, and until when; or who gave which verdict on it, and why
    """

    seq: int
    account: str
    alert_id: str
    log_offset: int
    kind: str
    at_ns: int
    muted: str | None
    entry: Entry
    note: Mapping[str, Any] | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The transition in a row of the archive."""
        note = None if row["note"] is None else orjson.loads(row["note"])
        fields = {name: row[name] for name in ("seq", "account", "alert_id", "log_offset", "kind", "at_ns", "muted")}
        return cls(**fields, entry=orjson.loads(row["entry"]), note=note)
