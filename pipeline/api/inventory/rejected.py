"""Rejected messages among the dead letters, counted by MQTT topic and reason."""

from __future__ import annotations

import msgspec

from pipeline.alerting.archive.dead_letters import DeadLetterArchive


class RejectedMessages(msgspec.Struct, frozen=True, array_like=True):
    """Rejected messages of one MQTT topic and reason: how many, when the last one arrived, and what was wrong."""

    last_arrival_ns: int
    mqtt_topic: str
    reason: str
    count: int
    detail: str | None


class RejectedPart(msgspec.Struct, frozen=True, array_like=True):
    """Rejected messages of an account, the newest first; how many there are in all, also of those not listed."""

    listed: list[RejectedMessages]
    count: int


def rejected_messages(archive: DeadLetterArchive, account: str, limit: int) -> RejectedPart:
    """The account's rejected messages, at most `limit` of them listed."""
    found = sorted(
        archive.rejected(account=account), key=lambda rejected: (rejected.last_arrival_ns, rejected.mqtt_topic)
    )
    listed = []
    for rejected in reversed(found[-limit:]):
        newest = archive.list(account=account, mqtt_topic=rejected.mqtt_topic, reason=rejected.reason, limit=1)
        listed.append(
            RejectedMessages(
                rejected.last_arrival_ns,
                rejected.mqtt_topic,
                rejected.reason.value,
                rejected.count,
                newest[0].letter.detail if newest else None,
            )
        )
    return RejectedPart(listed, sum(rejected.count for rejected in found))
