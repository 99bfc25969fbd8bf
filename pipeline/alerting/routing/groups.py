"""Decides what a group of alerts is told at one moment, and when to look at it again. Pure.

Its values are named tuples, which are made faster than others: there are several for each alert and receiver.

- Changes are told: an alert that fires or was updated, and the end of one that was told. A new group waits for `wait`
  first, one that was told for `interval` since then.
- What still fires without a change is told again after `repeat`.
- A muted alert (silenced, inhibited, acknowledged) is not told while that lasts, but what was told is always ended: an
  incident that a receiver has opened must be closed.
- An alert that ended before it was told is left out.

Source: Alertmanager, `dispatch/dispatch.go` and the `DedupStage` of `notify/notify.go`. There a change waits for the
group's next tick, here only for `interval` after what was told last; and there a silenced alert's end is not told.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.alerting.routing.tree import Timing


class MuteKind(enum.StrEnum):
    """Why nobody is told of an alert."""

    SILENCED = "silenced"
    INHIBITED = "inhibited"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class Mute:
    """Why an alert is not told, by which silence if it is one, and until when (None: until something else changes)."""

    kind: MuteKind
    until_ns: int | None
    silence: str | None = None


class Member(NamedTuple):
    """An alert of a group. `change` counts its transitions from 1; `told` is the last one that was told, 0: none."""

    alert_id: str
    is_firing: bool
    change: int
    told: int
    mute: Mute | None


class GroupState(NamedTuple):
    """A group. `opened_ns`: since when it has alerts; `told_ns`: when it was told last since then, None: never."""

    timing: Timing
    opened_ns: int
    told_ns: int | None


class Decision(NamedTuple):
    """What follows for a group.

    tells   the alerts of the notification; none: nothing is told
    leave   alerts that are not of the group any more
    due_ns  when to look again; None: when something changes
    muted   the number of firing alerts that are muted
    """

    tells: tuple[str, ...]
    leave: tuple[str, ...]
    due_ns: int | None
    muted: int
    is_repeat: bool = False


def decide(group: GroupState, members: Sequence[Member], now_ns: int, *, is_decided: bool = False) -> Decision:
    """The decision at `now_ns`. `is_decided`: that something is told now was decided before, and stands in the log."""
    firing = [member for member in members if member.is_firing]
    active = [member for member in firing if member.mute is None]
    ended = [member for member in members if not member.is_firing and member.told]
    untold = [member.alert_id for member in members if not member.is_firing and not member.told]
    mutes = [member.mute for member in firing if member.mute is not None]
    is_changed = bool(ended) or any([member.told != member.change for member in active])  # noqa: C419
    change_ns = change_due_ns(group, now_ns)
    repeat_ns = _repeat_due_ns(group.timing, group.told_ns) if active else None
    is_repeat = not is_changed and repeat_ns is not None and now_ns >= repeat_ns
    unmuted_ns = _least(*[mute.until_ns for mute in mutes])
    if (is_changed and now_ns >= change_ns) or is_repeat or (is_decided and (active or ended)):
        tells = tuple(member.alert_id for member in (*active, *ended))
        leave = (*untold, *(member.alert_id for member in ended))
        next_ns = _repeat_due_ns(group.timing, now_ns) if active else None
        return Decision(tells, leave, _least(next_ns, unmuted_ns), len(mutes), is_repeat)
    due_ns = _least(change_ns if is_changed else None, repeat_ns, unmuted_ns)
    return Decision((), tuple(untold), due_ns, len(mutes))


def change_due_ns(group: GroupState, now_ns: int) -> int:
    """From when a change of the group may be told. Times ahead of `now_ns` are of a clock that was set back since."""
    if group.told_ns is None:
        return min(group.opened_ns, now_ns) + group.timing.wait_ns
    return min(group.told_ns, now_ns) + group.timing.interval_ns


def _repeat_due_ns(timing: Timing, told_ns: int | None) -> int | None:
    return None if told_ns is None or timing.repeat_ns is None else told_ns + timing.repeat_ns


def _least(*times_ns: int | None) -> int | None:
    return min([time_ns for time_ns in times_ns if time_ns is not None], default=None)
