"""Transitions of alerts after a known one, which also travel between workers: one of them keeps the alerts."""

from __future__ import annotations

import msgspec

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.archive.transition import Transition


class TransitionsRequest(msgspec.Struct, frozen=True, array_like=True):
    """Asks for the first `limit` transitions of an account after this one; with 0 only for how far there are any."""

    account: str
    after: int
    limit: int


class TransitionsPart(msgspec.Struct, frozen=True, array_like=True):
    """Transitions in order; the first one that is kept, and the last one that there was, of all accounts."""

    first: int
    last: int
    transitions: list[Transition]


def transitions_after(archive: AlertArchive, request: TransitionsRequest) -> TransitionsPart:
    """The answer from the archive. May block."""
    first, last = archive.first_transition(), archive.last_transition()
    if not request.limit or request.after >= last:
        return TransitionsPart(first, last, [])
    found = archive.transitions(account=request.account, after_seq=request.after, limit=request.limit)
    return TransitionsPart(first, last, list(found))
