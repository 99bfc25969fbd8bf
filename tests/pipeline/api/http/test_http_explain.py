"""Why an alert fired, over HTTP: from the rows in the store, each account for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.alerting.routing.plan import plan_for
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.rule_book import RuleBook
from rules import Engine, RuleSet, Status, Transition, to_event
from rules.files.parse import parse_rules
from store.record import RecordBatch, TableId
from tests.support.http_service import NS, HttpService

TOKENS = {"seven": "farm-7", "eight": "farm-8"}
RULES = """
groups:
  - name: climate
    table: farm.climate
    rules:
      - {alert: TooHot, measure: temperature, range: {max: 32}, for: 20s}
      - {alert: Odd, measure: temperature, detector: {every: 10s}}
"""


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[HttpService]:
    made = HttpService(tmp_path, TOKENS)
    found, problems = parse_rules(RULES, "rules.yaml")
    assert not problems
    rules = RuleSet(tuple(found))
    made.app.state.services = replace(
        made.app.state.services, rules=RuleBook(rules, OwnedPartitions([]), lambda _: {"farm.climate"})
    )
    async with made.app.router.lifespan_context(made.app):
        yield made
    made.close()


async def fired(service: HttpService) -> Transition:
    """An alert that readings of two sensors made fire."""
    rules = service.app.state.services.rules.rules
    engine, found, apply = Engine(rules, service.store.registry), [], service.store.apply

    def judged(batch: RecordBatch) -> Any:
        found.extend(engine.evaluate(batch))
        return apply(batch)

    service.store.apply = judged  # type: ignore[method-assign]  # as the stage beside it does
    for second, value in ((0, 20.0), (10, 33.0), (20, 34.0), (30, 35.5)):
        service.clock.now_ns += 10 * NS
        ts = service.clock()
        for sensor, reading in (("s1", value), ("s2", 99.0 if second == 0 else 20.0)):
            await service.publish(
                f"greenhouse/eu/gh-1/north/{sensor}", {"ts": ts, "temperature": reading}, account="farm-7"
            )
    (one,) = found
    event = to_event(one)
    service.alerts.accept(service.admin.partition_id("alerts"), 0, [event], plan_for("growers"), now_ns=service.clock())
    return one


async def test_the_values_that_made_it_fire(service: HttpService) -> None:
    alert = await fired(service)
    async with service.client("seven") as http:
        answer = (await http.get(f"/v1/alerts/{alert.id}/explain")).json()

    assert answer["reproduced"], answer
    assert [(one["value"], one["phase"]) for one in answer["values"]] == [
        (20.0, "ok"), (33.0, "pending"), (34.0, "pending"), (35.5, "firing"),
    ]  # fmt: skip
    assert (answer["rule"]["kind"], answer["rule"]["levels"][0]["for"]) == ("range", "20s")
    assert answer["steps"][0].endswith(": 33 is above max 32: pending")
    assert answer["alert"]["id"] == alert.id


async def test_what_a_detector_knew_and_what_the_others_of_its_zone_measured(service: HttpService) -> None:
    fired_ns = (await fired(service)).time_ns
    window_ns = fired_ns - fired_ns % (10 * NS)
    knew = {"feature": "spike", "average": 34.0, "expected": 20.0, "lower": 19.5, "upper": 20.5, "score": 40, "p": 1e-9}
    odd = Transition(
        *("odd", Status.FIRING, TableId("farm-7", "farm", "climate"), "gh-1/north", "climate/Odd"),
        *(window_ns, window_ns, 9.0, {"max": 7.1}, "temperature", {"sensor": "s1"}, {}, {}),
        explanation=knew,
    )
    partition, now_ns = service.admin.partition_id("alerts"), service.clock()
    service.alerts.accept(partition, 1, [to_event(odd)], plan_for("growers"), now_ns=now_ns)
    over = replace(odd, status=Status.RESOLVED, explanation={})
    service.alerts.accept(partition, 2, [to_event(over)], plan_for("growers"), now_ns=now_ns)
    async with service.client("seven") as http:
        answer = (await http.get("/v1/alerts/odd/explain")).json()

    assert answer["explanation"] == knew
    assert answer["steps"][0] == ("spike: an average of 34 instead of 19.5 to 20.5 (expected 20), score 40, p = 1e-09")
    assert sorted((one["dimensions"]["sensor"], one["average"]) for one in answer["peers"]) == [
        ("s1", 34.0), ("s2", 20.0),
    ]  # fmt: skip


async def test_an_alert_of_another_account_or_of_a_rule_that_is_gone(service: HttpService) -> None:
    alert = await fired(service)
    async with service.client("eight") as http:
        assert (await http.get(f"/v1/alerts/{alert.id}/explain")).status_code == 404
    gone = RuleBook(RuleSet(), OwnedPartitions([]), lambda _: set())
    service.app.state.services = replace(service.app.state.services, rules=gone)
    async with service.client("seven") as http:
        answer = await http.get(f"/v1/alerts/{alert.id}/explain")

    assert (answer.status_code, answer.json()["detail"]) == (404, "the rule climate/TooHot is not in force any more")
