"""How far the detectors of this worker are. Asked in the event loop of the stream, whose state it reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rules import Engine, Rule
from rules.kinds.detector import DetectorJudge
from rules.kinds.standing import SeriesStanding, ZoneStanding
from store.record import SeriesKey, TableId


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of an account; None: all. series: how many of these at most, besides the zones."""

    account: str
    table: str | None = None
    rule: str | None = None
    zone: str | None = None
    series: int = 0


@dataclass(frozen=True, slots=True)
class RuleDetectors:
    """A rule of the kind `detector` over one table, as far as this worker judges it."""

    rule: Rule
    table: TableId
    bound: float
    zones: tuple[ZoneStanding, ...]
    series: tuple[tuple[SeriesKey, SeriesStanding], ...]


def detectors_of(engines: Iterable[Engine], wanted: Wanted) -> list[RuleDetectors]:
    """Those that are wanted, by engine (one of each partition), table and rule."""
    return list(_found(engines, wanted))


def _found(engines: Iterable[Engine], wanted: Wanted) -> Iterator[RuleDetectors]:
    left = wanted.series
    for table, watch in (of for engine in engines for of in engine.watches()):
        judge, rule = watch.judge, watch.rule
        if not isinstance(judge, DetectorJudge) or not _is_wanted(wanted, table, rule):
            continue
        standing = judge.standing()
        zones = tuple(zone for zone in standing.by_zone() if wanted.zone in (None, zone.zone))
        series = [(judge.subjects.keys[one.series], one) for one in standing.by_series(wanted.zone, left)]
        left -= len(series)
        yield RuleDetectors(rule, table, judge.bound, zones, tuple(series))


def _is_wanted(wanted: Wanted, table: TableId, rule: Rule) -> bool:
    is_table = wanted.table in (None, f"{table.database}.{table.table}")
    return table.account == wanted.account and is_table and wanted.rule in (None, rule.name)
