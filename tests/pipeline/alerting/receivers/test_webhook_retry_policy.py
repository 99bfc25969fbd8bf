"""What becomes of a delivery after an attempt, and which addresses are public."""

from __future__ import annotations

import random

import pytest

from pipeline.alerting.archive.delivery import Delivery, DeliveryState
from pipeline.alerting.receivers.addresses import is_public
from pipeline.alerting.receivers.retry_policy import (
    DELIVER_FOR_NS,
    SECOND_NS,
    Attempt,
    Delivered,
    GiveUp,
    TryAgain,
    Verdict,
    judge,
    retry_after_s,
)

NOW_NS = 1_795_428_125 * SECOND_NS  # 2026-11-23T10:02:05Z


def judged(status: int | None, *, attempts: int = 0, age_ns: int = 0, retry_after: str | None = None) -> Verdict:
    delivery = Delivery(
        1, "a.firing", "a", "default", "r", b"{}", DeliveryState.QUEUED, attempts, NOW_NS - age_ns, 0, None, None
    )
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return judge(delivery, Attempt(status, headers, "why"), NOW_NS, random.Random(1), wall_ns=NOW_NS)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    assert judged(status) == Delivered("why")


def test_410_is_given_up_at_once() -> None:
    assert judged(410) == GiveUp("why")


@pytest.mark.parametrize("status", [None, 301, 400, 401, 403, 404, 408, 422, 425, 429, 500, 503])
def test_everything_else_is_tried_for_24_hours(status: int | None) -> None:
    assert isinstance(judged(status, attempts=1000, age_ns=DELIVER_FOR_NS - 1), TryAgain)
    assert judged(status, age_ns=DELIVER_FOR_NS) == GiveUp("why")
    assert judged(status, age_ns=DELIVER_FOR_NS + 1) == GiveUp("why")


def test_the_last_attempt_is_made_when_the_24_hours_end() -> None:
    assert judged(500, attempts=50, age_ns=DELIVER_FOR_NS - SECOND_NS) == TryAgain(NOW_NS + SECOND_NS, "why")


@pytest.mark.parametrize(
    ("attempts", "longest_s"), [(0, 1), (1, 2), (2, 4), (9, 512), (10, 600), (11, 600), (100_000, 600)]
)
def test_the_wait_doubles_up_to_ten_minutes_with_jitter(attempts: int, longest_s: float) -> None:
    again = judged(500, attempts=attempts)

    assert isinstance(again, TryAgain)
    assert longest_s / 2 <= (again.at_ns - NOW_NS) / SECOND_NS <= longest_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0),
        ("120", 120),
        ("3600", 3600),
        ("3601", 3600),
        ("9" * 400, 3600),
        ("-5", 0),
        ("soon", 0),
        ("Mon, 23 Nov 2026 10:04:05 GMT", 120),
        ("Mon, 23 Nov 2026 10:04:05", 120),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0),
        ("Mon, 23 Nov 2099 09:00:00 GMT", 3600),
        ("Mon, 99 Nov 2026 09:00:00 GMT", 0),
        ("Mon, 23 Nov 2026 09:00:00 +999999", 0),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", 0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0),
        ("²", 0),
    ],
)
def test_retry_after_is_honoured_within_an_hour(text: str, seconds: float) -> None:
    assert retry_after_s({"retry-after": text}, NOW_NS) == seconds


def test_retry_after_prolongs_the_wait_and_never_shortens_it() -> None:
    prolonged, not_shortened = judged(429, retry_after="60"), judged(429, attempts=9, retry_after="1")

    assert prolonged == TryAgain(NOW_NS + 60 * SECOND_NS, "why")
    assert isinstance(not_shortened, TryAgain)
    assert not_shortened.at_ns >= NOW_NS + 256 * SECOND_NS


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_addresses_of_the_public_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:db8::1",
    ],
)
def test_every_other_address_is_not(address: str) -> None:
    assert not is_public(address)
