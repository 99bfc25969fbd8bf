"""Reports damage that a checksum has found: one log line that names it, and a count by kind for the metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum

log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of damaged content."""

    REPAIRED = "repaired"  # one flipped bit: it is as it was written
    MADE_AGAIN = "made_again"  # from a copy, or from what it was derived from
    LOST = "lost"  # set aside; the line says what is missing


Observer = Callable[[str, str], None]
_observers: list[Observer] = []


def observe(observer: Observer) -> None:
    """Call `observer` with the kind and the outcome of each damage that this process finds."""
    _observers.append(observer)


def report(kind: str, what: str, outcome: Outcome) -> None:
    """Report damage of a kind (a label of a metric). `what` names the place, what was expected, and what was done."""
    log.log(logging.ERROR if outcome is Outcome.LOST else logging.WARNING, "DAMAGED %s: %s", kind, what)
    for observer in _observers:
        observer(kind, outcome.value)
