"""The keys that every kind of rule with bounds has, and the levels of severity that they make.

range: {min: 5, max: 32}                                       one level
range: {warning: {max: 32}, critical: {max: 38, for: 10s}}     several; what a level leaves out is the rule's
range: {max: 32, time_zone: Europe/Berlin, bands: [{days: [mon-fri], from: "08:00", to: "18:00", max: 28}]}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from rules.definition.bands import DAY_MINUTES, DAYS, Band, Limits
from rules.definition.bounds import UNBOUNDED, Bounds
from rules.definition.document import Problems, read_items, read_text
from rules.definition.keys import BOUND_KEYS, DURATION, SPAN, TIME_ZONE, Form, Key, Section, bounds_of, mapping
from rules.definition.level import AT_ONCE, SEVERITIES, Damping, Hold, Level
from store.values.durations import PATTERN, duration_ns
from store.values.time_zones import UTC
from store.values.yaml_text import Node, SequenceNode

_SAMPLES = re.compile(r"([1-9][0-9]{0,5}) samples?")
_MOST_FIRES = 100
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


def _read_hold(node: Node, what: str, problems: Problems) -> Hold | None:
    text = read_text(node, what, problems)
    samples = None if text is None else _SAMPLES.fullmatch(text)
    if samples is not None:
        return Hold(samples=int(samples[1]))
    span: timedelta | None = None if text is None else DURATION.read(node, what, problems)
    return None if span is None else Hold(ns=duration_ns(span))


def _read_minute(node: Node, what: str, problems: Problems) -> int | None:
    text = read_text(node, what, problems)
    if text is None:
        return None
    if _TIME.fullmatch(text) is None:
        problems.add(node, f"{what} must be a time of day from 00:00 to 24:00, is {text!r}")
        return None
    return int(text[:2]) * 60 + int(text[3:])


def _read_days(node: Node, what: str, problems: Problems) -> tuple[int, ...] | None:
    items = read_items(node, what, problems) if isinstance(node, SequenceNode) else (node,)
    found: set[int] = set()
    for item in items:
        text = read_text(item, what, problems)
        if text is None:
            return None
        first, dash, last = text.lower().partition("-")
        last = last if dash else first
        if first not in DAYS or last not in DAYS:
            problems.add(item, f"{what} must be of {' '.join(DAYS)} or a span as mon-fri, is {text!r}")
            return None
        length = (DAYS.index(last) - DAYS.index(first)) % 7 + 1
        found |= {(DAYS.index(first) + day) % 7 for day in range(length)}
    return tuple(sorted(found))


def _make_damping(section: Section) -> Damping | None:
    fires = section.get("fires")
    if fires != int(fires) or not 2 <= fires <= _MOST_FIRES:
        section.problem(f"`fires` of {section.what} must be a whole number from 2 to {_MOST_FIRES}", at="fires")
        return None
    return Damping(int(fires), duration_ns(section.get("within")))


_MINUTE = Form(_read_minute, {"type": "string", "pattern": f"^({_TIME.pattern})$"})
_DAY = {"type": "string", "pattern": f"^({'|'.join(DAYS)})(-({'|'.join(DAYS)}))?$"}
_DAYS = Form(_read_days, {"anyOf": [_DAY, {"type": "array", "items": _DAY, "minItems": 1}]})
_HOLD = Form(_read_hold, {"type": "string", "pattern": f"^({PATTERN}|{_SAMPLES.pattern})$"})
_CLEAR = mapping(BOUND_KEYS, lambda section: section)

HOLD_KEYS = (
    Key("for", _HOLD, "how long values must stay beyond the bounds before the alert fires: 2m, or 3 samples"),
    Key("clear_for", _HOLD, "how long they must stay inside `clear` before it resolves: 2m, or 3 samples"),
    Key("keep_firing_for", DURATION, "how long it stays firing after the last value beyond the bounds, at least"),
)
CLEAR_KEYS = (
    Key("clear", _CLEAR, "a firing alert resolves inside these bounds (hysteresis); those of the condition by default"),
    *HOLD_KEYS,
)
RULE_LEVEL_KEYS = (
    *CLEAR_KEYS,
    Key(
        "flapping",
        mapping(
            (
                Key("fires", BOUND_KEYS[0].form, "how often", is_needed=True),
                Key("within", SPAN, "in which time", is_needed=True),
            ),
            _make_damping,
        ),
        "an alert that fired `fires` times `within` resolves only after so long inside `clear`",
    ),
)
BAND_KEYS = (
    Key("from", _MINUTE, "when it begins, as 22:00", is_needed=True),
    Key("to", _MINUTE, "before when it ends, on the next day if that is not later", is_needed=True),
    Key("days", _DAYS, "on which days it begins: mon, or mon-fri, or a list of these; every day by default"),
    *BOUND_KEYS,
    Key("clear", _CLEAR, "as `clear` of a rule, within this band"),
)


def _read_bands(node: Node, what: str, problems: Problems) -> tuple[Section, ...]:
    items = read_items(node, what, problems)
    return tuple(Section(item, f"band {place} of {what}", BAND_KEYS, problems) for place, item in enumerate(items, 1))


_BANDS = Form(_read_bands, {"type": "array", "minItems": 1, "items": mapping(BAND_KEYS, lambda band: band).schema})
_BANDED_KEYS = (
    *BOUND_KEYS,
    Key("bands", _BANDS, "bounds by time of day and weekday; the first band that a time is in decides"),
)
_LEVEL = mapping((*_BANDED_KEYS, *CLEAR_KEYS), lambda section: section)
LIMIT_KEYS = (
    *_BANDED_KEYS,
    Key("time_zone", TIME_ZONE, "of the bands; UTC by default"),
    *(Key(name, _LEVEL, f"the bounds of the level {name}, which is the label `severity`") for name in SEVERITIES),
)
"""What stands under a kind with bounds, beside its own keys."""


def levels_of(rule: Section, limits: Section) -> tuple[Level, ...]:
    """The levels of a rule whose kind has the section `limits`; fewer than there should be after a problem."""
    named = [(name, limits.get(name)) for name in SEVERITIES if name in limits]
    if not named:
        level = _level(rule, limits, "", rule, limits)
        return () if level is None else (level,)
    for key in ("min", "max", "bands"):
        if key in limits:
            limits.problem(f"{limits.what} has levels, so `{key}` stands in these", at=key)
    if "clear" in rule:
        rule.problem(f"{limits.what} has levels, so `clear` stands in these", at="clear")
    found = [_level(rule, section, name, section, limits) for name, section in named if section is not None]
    levels = tuple(level for level in found if level is not None)
    for less, more in pairwise(levels):
        if not more.limits.bounds.contains(less.limits.bounds):
            told = f"`{more.name}` ({more.limits.bounds}) must reach as far as `{less.name}` ({less.limits.bounds})"
            limits.problem(f"{limits.what}: {told}", at=more.name)
    return levels


def implied_level(rule: Section, bounds: Bounds) -> Level:
    """The level of a rule whose kind has bounds that nobody writes."""
    return Level(Limits(bounds, bounds), "", *_holds(rule, rule))


def _level(rule: Section, section: Section, name: str, own: Section, limits: Section) -> Level | None:
    """A level whose bounds are in `section`, and what else it says in `own`."""
    has_bands = "bands" in section and "min" not in section and "max" not in section
    bounds = UNBOUNDED if has_bands else bounds_of(section)
    if bounds is None:
        return None
    clear = clear_of(own, bounds)
    bands = tuple(_bands(section, bounds, clear))
    time_zone = limits.get("time_zone", UTC)
    return Level(Limits(bounds, clear, bands, time_zone), name, *_holds(rule, own))


def _holds(rule: Section, own: Section) -> tuple[Hold, Hold, int, Damping | None]:
    def said(key: str) -> Section:
        return own if key in own else rule

    return (
        said("for").get("for", AT_ONCE),
        said("clear_for").get("clear_for", AT_ONCE),
        duration_ns(said("keep_firing_for").get("keep_firing_for", timedelta(0))),
        rule.get("flapping"),
    )


def clear_of(section: Section, normal: Bounds) -> Bounds:
    """Where the alert resolves: the condition's bounds, or the narrower ones of `clear`."""
    limits: Section | None = section.get("clear")
    if limits is None:
        return normal
    clear = bounds_of(limits, normal)
    if clear is None:
        return normal
    if not normal.contains(clear):
        section.problem(f"{limits.what} ({clear}) must lie within its bounds ({normal})", at="clear")
    return clear


def _bands(section: Section, bounds: Bounds, clear: Bounds) -> Iterator[Band]:
    for band in section.get("bands", ()):
        if not band.is_whole:
            continue
        of_band = bounds_of(band, bounds)
        if of_band is None:
            continue
        if "clear" in band:
            inside = clear_of(band, of_band)
        else:
            inside = Bounds(max(clear.min, of_band.min), min(clear.max, of_band.max))
            if inside.min > inside.max:
                band.problem(f"{band.what} ({of_band}) has nothing in common with `clear` ({clear}); give it its own")
        days = band.get("days", tuple(range(7)))
        yield Band(days, band.get("from") % DAY_MINUTES, band.get("to") % DAY_MINUTES, of_band, inside)
