"""Random rules of every kind, drawn from the tables by which rule files are read: what is added there is drawn, too.

A value is made after its JSON schema; a text is one of `WORDS` that the schema allows, or of `OF_KEY` under that key
(of that kind).
What the tables cannot say (`clear` lies within the bounds) is left to the parser: a rule with a problem is drawn again.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from typing import Any

from rules.definition.keys import schema_of
from rules.files.parse import RULE_KEYS, parse_rules
from rules.kinds import KINDS
from rules.rule import RuleSet

TABLE_NAME = "agriculture.readings"
NUMBERS = (-3, -2, -1, -0.5, 0, 0.4, 1, 1.5, 2, 2, 3, 5)
SPANS = ("1s", "2s", "3s", "5s", "7s", "10s", "20s")
WORDS = (*SPANS, "2 samples", "3 samples", "2/m", "00:00", "14:14", "14:15", "24:00", "mon-sun", "tue", "x", "y")
OF_KEY: Mapping[str, tuple[object, ...]] = {
    "after": (*SPANS, "auto"),
    "annotations": ({"told": "{value:.3f} of {measure} in {zone_name} at {sensor}{region}{silent}"},),
    "budget": ("1/day per 1000 series", "10/day per 1 series"),
    "by": ("region", ["region", "sensor"]),
    "expect": ([{"sensor": ["a1", "a9"]}], [{"sensor": "b{1..3}", "region": "b"}]),
    "labels": ({"team": "growers"},),
    "measure": ("x", "y"),
    "composite.of": ("R0", "R0 and not R1", "R0 or R1", "R0 and (R1 or not R2)"),
    "expression.of": ("x - y", "x / y + max(x, 1)", "where(x > 1, y, -x)", "x"),
    "share": (0.5, "60%", 1),
    "time_zone": ("Europe/Berlin", "America/New_York", "UTC"),
    "where": ({"sensor": ["a1", "a2", "b1"]}, {"zone_name": "zone-a"}, {"region": {"regex": "a|b"}}),
}
MOST_DRAWS = 300
RARE = 0.2  # how often a key is there that need not be

RULE_SCHEMA = schema_of(RULE_KEYS)["properties"]


def random_rules(rng: random.Random, *kinds: str) -> RuleSet:
    """A rule of each of these kinds, in one group: R0, R1 and so on."""
    rules: list[dict[str, Any]] = []
    for kind in kinds:
        rules.append(_next_rule(rng, kind, rules))
    return parsed(rules)


def parsed(rules: list[dict[str, Any]]) -> RuleSet:
    """These rules. Raises AssertionError with what is wrong."""
    found, problems = parse_rules(_document(rules), "random")
    assert not problems, problems
    return RuleSet(tuple(found))


def _next_rule(rng: random.Random, kind: str, before: list[dict[str, Any]]) -> dict[str, Any]:
    problems = []
    for _ in range(MOST_DRAWS):
        rule = {"alert": f"R{len(before)}", kind: _value(rng, kind, RULE_SCHEMA[kind], kind)}
        for key, schema in RULE_SCHEMA.items():
            is_needed = key == "measure" and not KINDS[kind].measure
            if key not in {*KINDS, "alert"} and (is_needed or rng.random() < RARE):
                rule[key] = _value(rng, key, schema)
        _, problems = parse_rules(_document([*before, rule]), "random")
        if not problems:
            return rule
    raise AssertionError(f"no rule of the kind {kind} was drawn; are there words for its keys? {problems}")


def _document(rules: list[dict[str, Any]]) -> str:
    return json.dumps({"groups": [{"name": "g", "table": TABLE_NAME, "rules": rules}]})


def _value(rng: random.Random, key: str, schema: Mapping[str, Any], kind: str = "") -> Any:
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if "properties" in schema:
        needed = schema.get("required", ())
        chosen = [name for name in schema["properties"] if name in needed or rng.random() < 2 * RARE]
        return {name: _value(rng, name, schema["properties"][name], kind) for name in chosen}
    if schema.get("type") == "number":
        return rng.choice(NUMBERS)
    words: tuple[object, ...] = OF_KEY.get(f"{kind}.{key}", OF_KEY.get(key, ()))
    if words:
        return rng.choice(words)
    if "anyOf" in schema:
        return _value(rng, key, rng.choice(schema["anyOf"]), kind)
    if schema.get("type") == "array":
        return [_value(rng, key, schema["items"], kind) for _ in range(rng.choice((1, 1, 2)))]
    if schema.get("type") == "boolean":
        return rng.random() < 0.5
    words = tuple(word for word in WORDS if re.search(schema.get("pattern", ""), word))
    assert words, f"no word for the key {key}, which is {schema}"
    return rng.choice(words)
