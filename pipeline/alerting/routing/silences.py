"""Silences: while one lasts, nobody is told of the alerts that it matches. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.base.matchers import Matcher, all_match, parse_matcher
from pipeline.base.recurrence import DAYS, Recurrence, parse_minute


@dataclass(frozen=True, slots=True)
class Silence:
    """`start_ns` ≤ now < `end_ns`, and within the hours of `every`. `account` is None: alerts of all accounts.

    `by` and `why`: who silences, and the reason. `from_config`: it stands in the configuration.
    """

    id: str
    account: str | None
    matchers: tuple[Matcher, ...]
    start_ns: int | None
    end_ns: int | None
    every: Recurrence | None
    by: str
    why: str
    from_config: bool = False

    def end_of(self, account: str, labels: Mapping[str, str], at_ns: int) -> int | None:
        """When it ends, at least for some time, for an alert that it silences at `at_ns`; None if it does not.

        A silence for ever ends in 2262, with the nanoseconds of int64.
        """
        if self.account not in (None, account) or not all_match(self.matchers, labels):
            return None
        return self.active_until_ns(at_ns)

    def active_until_ns(self, at_ns: int) -> int | None:
        """When it ends, if it is active at `at_ns`; None if it is not."""
        end_ns = LAST_NS if self.end_ns is None else self.end_ns
        if not (self.start_ns or 0) <= at_ns < end_ns:
            return None
        if self.every is None:
            return end_ns
        hours_end_ns = self.every.end_ns(at_ns)
        return None if hours_end_ns is None else min(hours_end_ns, end_ns)


LAST_NS = 2**63 - 1


def silence_to_json(silence: Silence) -> dict[str, Any]:
    """The silence as the topic [alerts] and the archive have it."""
    every = silence.every
    return {
        "id": silence.id,
        "account": silence.account,
        "matchers": [str(matcher) for matcher in silence.matchers],
        "start_ns": silence.start_ns,
        "end_ns": silence.end_ns,
        "every": None
        if every is None
        else {
            "days": [DAYS[day] for day in sorted(every.days)],
            "from": str(every.start),
            "to": str(every.end),
            "time_zone": every.time_zone,
        },
        "by": silence.by,
        "why": silence.why,
    }


def silence_from_json(told: Mapping[str, Any]) -> Silence:
    """What `silence_to_json` wrote."""
    every = told["every"]
    return Silence(
        told["id"],
        told["account"],
        tuple(map(parse_matcher, told["matchers"])),
        told["start_ns"],
        told["end_ns"],
        None
        if every is None
        else Recurrence(
            frozenset(map(DAYS.index, every["days"])),
            parse_minute(every["from"]),
            parse_minute(every["to"]),
            every["time_zone"],
        ),
        told["by"],
        told["why"],
    )
