"""What follows an attempt to deliver: it is delivered, retried, or given up. Pure.

- 2xx: delivered.
- 410 Gone: given up at once, as Standard Webhooks asks for ("Deliverability and reliability").
- Any other status, and no response: retried for 24 hours after the alert, then given up. Even 404, 401 and 3xx are
  retried, because a deployment may end or an operator may correct the endpoint.

The delay between attempts starts at 1 s and doubles up to 10 minutes, times a random 50-100 %, so that receivers that
failed together are not retried together. A Retry-After header (seconds or date) prolongs it to at most an hour.
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
    """The result of one attempt: status and headers (lower-case names) of the response, or None and no headers.

    `answer` is for people: the status and the beginning of the response, or what went wrong; without secrets.
    """

    status: int | None
    headers: Mapping[str, str]
    answer: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A receiver that does not answer by HTTP accepted it."""

    answer: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver accepted it."""

    answer: str = ""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The next attempt is due at `at_ns`."""

    at_ns: int
    error: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No attempt follows."""

    error: str


Verdict: TypeAlias = Delivered | TryAgain | GiveUp


def judge(delivery: Delivery, attempt: Attempt | Accepted, now_ns: int, rng: random.Random, *, wall_ns: int) -> Verdict:
    """What follows an attempt of `delivery`, whose `attempts` do not include this one.

    `now_ns` is a time of the queue's clock; `wall_ns` is the host's time, to which a date in Retry-After refers.
    """
    if isinstance(attempt, Accepted):
        return Delivered(attempt.answer)
    status = attempt.status
    if status is not None and 200 <= status < 300:
        return Delivered(attempt.answer)
    last_ns = delivery.queued_ns + DELIVER_FOR_NS
    if status == _GONE or now_ns >= last_ns:
        return GiveUp(attempt.answer)
    wait_s = max(BACKOFF.wait_s(delivery.attempts + 1, rng), retry_after_s(attempt.headers, wall_ns))
    return TryAgain(min(now_ns + int(wait_s * SECOND_NS), last_ns), attempt.answer)


def retry_after_s(headers: Mapping[str, str], wall_ns: int) -> float:
    """The delay that the receiver asks for (RFC 9110, 10.2.3), within limits; 0 if there is none or it is invalid."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:18]), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        at_s = moment.timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):  # whatever the parsers raise for such a text
        return 0.0
    return min(max(at_s - wall_ns / SECOND_NS, 0.0), LONGEST_RETRY_AFTER_S)
