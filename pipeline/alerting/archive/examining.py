"""Groups of a unit of work: has `pipeline.alerting.routing.groups` decide what they are told, and does what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from pipeline.alerting.archive.muting import Muting
from pipeline.alerting.archive.rows import AlertRow, GroupRow, MemberRow
from pipeline.alerting.archive.work import UnitOfWork
from pipeline.alerting.routing.groups import Decision, Member, decide
from store.values.times import rfc3339

MOST_ALERTS = 500  # of one notification: what a chat or a mailbox shows; more are counted in it


class Examiner:
    """Groups at one moment, that of `muting`: `now_ns` by the queue's clock, `wall_ns` by the host's."""

    def __init__(self, work: UnitOfWork, muting: Muting, now_ns: int, wall_ns: int) -> None:
        self._work = work
        self._muting = muting
        self._now_ns = now_ns
        self._wall_ns = wall_ns

    def decision(self, group: GroupRow) -> Decision:
        """What the group would be told now. Changes nothing but when it is looked at again."""
        members = self._work.members(group)
        decision = self._decide(group, members, is_decided=False)
        if not decision.tells:
            self._follow(group, members, decision)
        return decision

    def tell(self, group: GroupRow, *, is_decided: bool = False) -> None:
        """Queue what the group is to be told now, if there is anything."""
        members = self._work.members(group)
        decision = self._decide(group, members, is_decided=is_decided)
        if decision.tells:
            group.number += 1
            told = set(decision.tells)
            self._queue(group, [alert for _, alert in members if alert.id in told], is_repeat=decision.is_repeat)
            for member, alert in members:
                if alert.id in told:
                    member.told = alert.change
        self._follow(group, members, decision)

    def _decide(self, group: GroupRow, members: Sequence[tuple[MemberRow, AlertRow]], *, is_decided: bool) -> Decision:
        return decide(
            group.state,
            [self._member(member, alert) for member, alert in members],
            self._now_ns,
            is_decided=is_decided,
        )

    def _member(self, member: MemberRow, alert: AlertRow) -> Member:
        mute = self._muting.mute_of(alert) if alert.is_firing else None
        return Member(alert.id, alert.is_firing, alert.change, member.told, mute)

    def _follow(self, group: GroupRow, members: Sequence[tuple[MemberRow, AlertRow]], decision: Decision) -> None:
        is_done = decision.leave and len(decision.leave) == len(members)
        told_ns = self._now_ns if decision.tells else group.told_ns
        group.told_ns = None if is_done else told_ns
        group.due_ns, group.muted = decision.due_ns, decision.muted
        self._work.leave(group, decision.leave)

    def _queue(self, group: GroupRow, alerts: Sequence[AlertRow], *, is_repeat: bool) -> None:
        content: dict[str, Any] = {
            "labels": None if group.labels is None else orjson.Fragment(group.labels),
            "number": group.number,
            "is_repeat": is_repeat,
            "alerts": [alert.entry_to_dump for alert in alerts[:MOST_ALERTS]],
        }
        if not group.is_of_one:
            content |= {"group": group.id, "at": rfc3339(self._wall_ns), "more": max(0, len(alerts) - MOST_ALERTS)}
        subject, delivery = _ids(group, alerts)
        self._work.queue(
            delivery, subject, group.account, group.receiver, orjson.dumps(content), "queued", 0, self._now_ns,
            self._now_ns, None, None, None
        )  # fmt: skip


def _ids(group: GroupRow, alerts: Sequence[AlertRow]) -> tuple[str, str]:
    """What is told of, and the id of the delivery: the same whenever the log is read again."""
    if not group.is_of_one:
        return group.id, f"{group.id}.{group.number}"
    (alert,) = alerts
    if not alert.is_firing:
        return alert.id, f"{alert.id}.resolved"
    return alert.id, f"{alert.id}.firing" if group.number == 1 else f"{alert.id}.firing.{group.number}"
