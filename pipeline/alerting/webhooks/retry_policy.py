"""What becomes of a delivery after an attempt: delivered, tried again, or given up. Pure.

- 2xx: delivered.
- 410 Gone: given up at once; the endpoint asks for that (Standard Webhooks, "Deliverability and reliability").
- Everything else, and no answer at all: tried again for 24 hours after the alert, then given up. A 404, 401 or 3xx
  will not get better by repeating; but it does when a deployment ends or an operator corrects an endpoint.

Between attempts: 1 s doubled each time up to 10 minutes, of which a random 50-100 %, so that receivers that failed
together are not asked together. A Retry-After header (seconds or date) prolongs that, to at most an hour.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeAlias

from pipeline.alerting.archive.delivery import Delivery
from store.values.backoff import Backoff

SECOND_NS = 1_000_000_000
DELIVER_FOR_NS = 24 * 3600 * SECOND_NS
BACKOFF = Backoff(first_s=1.0, longest_s=600.0, chance=0.5)
LONGEST_RETRY_AFTER_S = 3600.0

_GONE = 410


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt: an answer's status and headers (lower-case names), or None and no headers."""

    status: int | None
    headers: Mapping[str, str]
    error: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It is due again at `at_ns`."""

    at_ns: int
    error: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It is not tried again."""

    error: str


Verdict: TypeAlias = Delivered | TryAgain | GiveUp


def judge(delivery: Delivery, attempt: Attempt, now_ns: int, rng: random.Random, *, wall_ns: int) -> Verdict:
    """What becomes of `delivery`, whose `attempts` do not count this one yet.

    now_ns is of the clock that the queue goes by, wall_ns the host's time, by which a receiver names a moment.
    """
    status = attempt.status
    if status is not None and 200 <= status < 300:
        return Delivered()
    last_ns = delivery.queued_ns + DELIVER_FOR_NS
    if status == _GONE or now_ns >= last_ns:
        return GiveUp(attempt.error)
    wait_s = max(BACKOFF.wait_s(delivery.attempts + 1, rng), retry_after_s(attempt.headers, wall_ns))
    return TryAgain(min(now_ns + int(wait_s * SECOND_NS), last_ns), attempt.error)


def retry_after_s(headers: Mapping[str, str], wall_ns: int) -> float:
    """How long the receiver asks us to wait (RFC 9110, 10.2.3), within bounds; 0 if it does not say, or unreadably."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:18]), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        at_s = moment.timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):  # what the parsers raise is whatever the text hits
        return 0.0
    return min(max(at_s - wall_ns / SECOND_NS, 0.0), LONGEST_RETRY_AFTER_S)
