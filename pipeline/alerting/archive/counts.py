"""How many alerts fire now, how many of them nobody is told of, and how many wait for their group."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.alerting.archive.muting import Muting
from pipeline.alerting.archive.rows import AlertRow
from pipeline.alerting.routing.groups import MuteKind
from pipeline.alerting.routing.plan import AlertPlan

_FIRING = "SELECT count(*) FROM alerts WHERE status = 'firing'"
# Alerts of groups in which something is muted, and those that are not told yet as they are: the others are told.
_NOT_TOLD = (
    "SELECT a.*, max(g.labels IS NOT NULL AND m.told <> a.change) FROM groups g JOIN members m ON m.group_id = g.id "
    "JOIN alerts a ON a.id = m.alert_id WHERE a.status = 'firing' "
    "AND (g.muted > 0 OR g.due_ns IS NOT NULL AND m.told <> a.change) GROUP BY a.id"
)


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """Alerts at one moment.

    firing   those that fire
    muted    those of them that nobody is told of, by reason: every reason is there
    waiting  those of them that wait to be told with their group, and are not muted
    silences how many silences are active
    """

    firing: int
    muted: Mapping[MuteKind, int]
    waiting: int
    silences: int


def counts_of(db: sqlite3.Connection, plan: AlertPlan, wall_ns: int) -> AlertCounts:
    """The counts at `wall_ns`, a time of the host's clock."""
    muting = Muting(db, plan, wall_ns, wall_ns)
    muted: Counter[MuteKind] = Counter()
    waiting = 0
    for row in db.execute(_NOT_TOLD):
        mute = muting.mute_of(AlertRow(*row[:-2]))
        if mute is not None:
            muted[mute.kind] += 1
        else:
            waiting += row[-1]
    return AlertCounts(
        firing=db.execute(_FIRING).fetchone()[0],
        muted={kind: muted[kind] for kind in MuteKind},
        waiting=waiting,
        silences=muting.active_silences(),
    )
