"""What becomes of a delivery after an attempt: delivered, tried again, or given up. Pure.

- 2xx: delivered.
- 410 Gone: given up at once; the endpoint asks for that (Standard Webhooks, "Deliverability and reliability").
- 429, 5xx, 408, 425, and no answer at all: tried again for 24 hours after the alert, then given up.
- Everything else (3xx, since redirects are not followed, and 4xx) will hardly get better by repeating, but may while
  an operator mends an endpoint: given up with the 5th failed attempt.

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

from pipeline.archive.delivery import Delivery

SECOND_NS = 1_000_000_000
DELIVER_FOR_NS = 24 * 3600 * SECOND_NS
FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 600.0
LONGEST_RETRY_AFTER_S = 3600.0
MOST_REFUSALS = 5

_GONE = 410
_PASSING = frozenset({408, 425, 429})


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


def judge(delivery: Delivery, attempt: Attempt, now_ns: int, rng: random.Random) -> Verdict:
    """What becomes of `delivery`, whose `attempts` do not count this one yet."""
    status = attempt.status
    if status is not None and 200 <= status < 300:
        return Delivered()
    attempts = delivery.attempts + 1
    is_refusal = status is not None and status < 500 and status not in _PASSING
    if status == _GONE or (is_refusal and attempts >= MOST_REFUSALS):
        return GiveUp(attempt.error)
    last_ns = delivery.queued_ns + DELIVER_FOR_NS
    if now_ns >= last_ns:
        return GiveUp(attempt.error)
    wait_s = max(backoff_s(attempts, rng), retry_after_s(attempt.headers, now_ns))
    return TryAgain(min(now_ns + int(wait_s * SECOND_NS), last_ns), attempt.error)


def backoff_s(attempts: int, rng: random.Random) -> float:
    """How long to wait after this many failed attempts (≥ 1)."""
    full_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempts - 1, 32))
    return full_s * rng.uniform(0.5, 1.0)


def retry_after_s(headers: Mapping[str, str], now_ns: int) -> float:
    """How long the receiver asks us to wait (RFC 9110, 10.2.3), within bounds; 0 if it does not say, or unreadably."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:18]), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment.timestamp() - now_ns / SECOND_NS, 0.0), LONGEST_RETRY_AFTER_S)
