"""`/v1/alerts/{id}/explain`: why an alert fired, from the rows of its time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends

from pipeline.alerting.archive.alerts import Alert
from pipeline.api.http import responses
from pipeline.api.http.backtests.reading import History, select
from pipeline.api.http.openapi import answers
from pipeline.api.http.problems import Problem
from pipeline.api.http.routes.alert_life import find_alert
from pipeline.api.http.routes.alerts import shown_alerts
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.slots import Asker
from rules.alerts.transition import Transition
from rules.definition.bounds import Bounds
from rules.replaying.explaining import Explanation, Told, explain, needed_rules, span_ns, where_of
from rules.rule import Rule, RuleSet
from store.record import TableId
from store.values.durations import format_duration
from store.values.times import parse_rfc3339, rfc3339

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])

Parts = Annotated[Services, Depends(services)]
MOST_ROWS = 100_000


@router.get("/{alert_id}/explain", summary="Why an alert fired", **answers(responses.Explained, 404, 409, 504))
async def explanation(parts: Parts, asker: Annotated[Asker, Depends(asker)], alert_id: str) -> responses.Explained:
    """Its rule over the rows of its time again: the values that were judged, what changed, and the sensors of its zone.

    `reproduced` says whether this came to the same alert; not if the rule was changed since, or rows came late.
    """
    alert = find_alert(parts, asker.account, alert_id)
    rules = RuleSet() if parts.rules is None else needed_rules(parts.rules.rules, alert.rule)
    rule = next((rule for rule in rules.rules if rule.name == alert.rule), None)
    if rule is None:
        raise Problem(404, f"the rule {alert.rule} is not in force any more", parameter="alert_id")
    told = _told(alert, _first(parts, alert))
    table = TableId(asker.account, *alert.table.split(".", 1))
    history = History(parts.store, parts.executor, asker.account, parts.clock_ns())
    layout = await parts.queries.run(asker, partial(history.layout, table), text=f"explain {alert_id}")
    from_ns = told.since_ns - span_ns(rules)
    newest = f"{select(table, from_ns, told.until_ns, where=where_of(rule, told))} ORDER BY time DESC"
    rows = await parts.queries.run(asker, partial(history.rows, newest, MOST_ROWS), text=newest)

    def work() -> Explanation:
        return explain(rules, alert.rule, table, layout, rows, told)

    found = await parts.queries.run(asker, work, text=f"explain {alert_id}")
    return _shown(parts, alert, rule, found, from_ns, told.until_ns)


def _first(parts: Services, alert: Alert) -> Mapping[str, Any]:
    """The data of its first event; of the newest one if that is not kept any more."""
    transitions = parts.alerts.transitions(account=alert.account, alert_id=alert.id, limit=1)
    data: Mapping[str, Any] = (transitions[0].entry if transitions else alert.entry)["event"]["data"]
    return data


def _told(alert: Alert, first: Mapping[str, Any]) -> Told:
    data = alert.event["data"]
    since_ns = parse_rfc3339(data["since"])
    until_ns = max(parse_rfc3339(alert.event["timestamp"]), since_ns) + 1
    return Told(alert.id, alert.zone, data["dimensions"], since_ns, until_ns, first.get("explanation", {}))


def _shown(
    parts: Services, alert: Alert, rule: Rule, found: Explanation, from_ns: int, to_ns: int
) -> responses.Explained:
    (shown,) = shown_alerts(parts, [alert])
    return {
        "alert": shown,
        "rule": {
            "rule": rule.name,
            "file": rule.file,
            "kind": str(rule.condition.facts[0]),
            "measures": list(rule.measures),
            "levels": [_level(rule, level) for level in range(len(rule.levels))],
        },
        "from": rfc3339(from_ns),
        "to": rfc3339(to_ns),
        "reproduced": found.reproduced,
        "explanation": dict(found.told) or None,
        "values": [
            {"time": rfc3339(one.time_ns), "value": one.value, "bounds": dict(one.bounds), "phase": one.phase}
            for one in found.values
        ],
        "peers": [cast("responses.ExplainedPeer", peer) for peer in found.peers],
        "events": [_event(one) for one in (*found.others, *found.events)],
        "steps": list(found.steps()),
    }


def _level(rule: Rule, place: int) -> responses.LevelOfRule:
    level = rule.levels[place]
    return {
        "name": level.name,
        "bounds": _bounds(level.limits.bounds),
        "clear": _bounds(level.limits.clear),
        "bands": len(level.limits.bands),
        "for": _hold(level.hold.ns, level.hold.samples),
        "clear_for": _hold(level.clear_for.ns, level.clear_for.samples),
        "keep_firing_for": _span(level.keep_ns),
    }


def _bounds(bounds: Bounds) -> dict[str, float]:
    return {name: bound for name, bound in (("min", bounds.min), ("max", bounds.max)) if not math.isinf(bound)}


def _span(ns: int) -> str:
    return format_duration(timedelta(microseconds=ns // 1000))


def _hold(ns: int, samples: int) -> str:
    return f"{samples} samples" if samples else _span(ns)


def _event(one: Transition) -> responses.ExplainedEvent:
    return {
        "time": rfc3339(one.time_ns),
        "rule": one.rule,
        "status": str(one.status),
        "value": one.value,
        "labels": dict(one.labels),
    }
