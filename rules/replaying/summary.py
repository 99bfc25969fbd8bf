"""How many alerts a backtest found: a rule, a day and a sensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rules.replaying.backtest import FoundAlert
from store.values.times import rfc3339

Count = tuple[str, str, int]
"""Something, the name of a rule, and how many alerts."""


def in_order(found: Iterable[FoundAlert]) -> list[FoundAlert]:
    """By the time at which they fired."""
    return sorted(found, key=lambda one: (one.fired.time_ns, one.fired.rule))


def by_day(found: Iterable[FoundAlert]) -> list[Count]:
    """The alerts that fired on each day, in UTC, in order."""
    days = Counter((rfc3339(one.fired.time_ns)[:10], one.fired.rule) for one in found)
    return [(*key, count) for key, count in sorted(days.items())]


def by_sensor(found: Iterable[FoundAlert], most: int) -> list[Count]:
    """The alerts of those with most of them, by their dimensions, most first."""
    sensors = Counter((dimensions_text(one), one.fired.rule) for one in found)
    return [(*key, count) for key, count in sensors.most_common(most)]


def dimensions_text(found: FoundAlert) -> str:
    """The dimensions of an alert."""
    return " ".join(f"{name}={value}" for name, value in found.fired.dimensions.items())


def by_rule(found: Iterable[FoundAlert], names: Sequence[str]) -> dict[str, int]:
    """The alerts of each of the rules."""
    counts = Counter(one.fired.rule for one in found)
    return {name: counts[name] for name in names}
