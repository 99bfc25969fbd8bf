"""Why an alert fired or resolved where no value made it."""

from __future__ import annotations

import enum


class Reason(enum.StrEnum):
    """The `reason` of an alert's event."""

    RULE_CHANGED = "rule_changed"
    RULE_REMOVED = "rule_removed"
    TABLE_DELETED = "table_deleted"
    SILENCE_FINAL = "silence_final"  # of a series that was silent for too long
    FORGOTTEN = "forgotten"  # of a device that was decommissioned
    FLOODING = "flooding"  # it stands for alerts beyond `max_alerts`
    NO_DATA = "no_data"  # it fired, or resolved, because readings were absent
