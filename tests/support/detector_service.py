"""Detectors for `tests.support.http_service`: of a rule over farm.climate, after some windows of one sensor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson

from pipeline.log.frame import Frame, FrameKind
from pipeline.stream.detectors import RuleDetectors, Wanted, detectors_of
from rules import Engine, RuleSet
from rules.files.parse import parse_rules
from tests.support.http_service import NOW_NS, NS, HttpService

TOPIC = "greenhouse/eu/gh-1/north/s1"
RULES = """
groups:
  - name: unusual
    table: farm.climate
    rules: [{alert: Odd, measure: temperature, detector: {every: 1s}}, {alert: No, measure: humidity, range: {max: 1}}]
"""


def learnt_by(service: HttpService, account: str) -> Callable[[Wanted], Awaitable[list[RuleDetectors]]]:
    """What the service is to ask."""
    found, problems = parse_rules(RULES, "rules.yaml")
    assert not problems
    engine = Engine(RuleSet(tuple(found)), service.store.registry)
    bodies = [orjson.dumps({"ts": NOW_NS + second * NS, "temperature": 20}) for second in range(4)]
    stamps = [NOW_NS + second * NS for second in range(4)]
    frame = Frame(1, FrameKind.MQTT, stamps, [account] * 4, [TOPIC] * 4, bodies)
    for batch in service.normaliser.normalise(frame, 0).batches:
        assert engine.evaluate(batch) == []

    async def detectors(wanted: Wanted) -> list[RuleDetectors]:
        return detectors_of([engine], wanted)

    return detectors
