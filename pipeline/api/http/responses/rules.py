"""Rules in force, their files, and what a text of rules is worth."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from pipeline.api.http.responses.common import Dimensions, MeasureName, Table, Time, ZoneIfAny, shown


class RuleInForce(TypedDict):
    """A rule, and the state of its alerts."""

    rule: Annotated[str, Field(description="group/alert")]
    group: Annotated[str, Field(description="its group")]
    alert: Annotated[str, Field(description="its name in the group")]
    file: Annotated[str, Field(description="where it is written")]
    table: Table
    measure: MeasureName
    pending: Annotated[int, Field(description="signals of this worker that wait for `for`")]
    firing: Annotated[int, Field(description="signals of this worker")]
    warnings: Annotated[list[str], Field(description="why it may never fire")]


@shown(
    rules=[
        {
            "rule": "greenhouse-climate/TooHot",
            "group": "greenhouse-climate",
            "alert": "TooHot",
            "file": "rules/climate.yaml",
            "table": "agriculture.readings",
            "measure": "temperature",
            "pending": 0,
            "firing": 1,
            "warnings": [],
        }
    ]
)
class Rules(TypedDict):
    """The rules in force."""

    rules: list[RuleInForce]


@shown(generation="5f1c0ad30b1be2c4", rules=3, changed=True, in_force=True, needs_restart=[])
class Reloaded(TypedDict):
    """The rule files were read again."""

    generation: Annotated[str, Field(description="a hash of all rule files")]
    rules: Annotated[int, Field(description="how many rules there are now")]
    changed: Annotated[bool, Field(description="whether the files say something else than before")]
    in_force: Annotated[bool, Field(description="false if a partition of this worker still has the rules before")]
    needs_restart: Annotated[list[str], Field(description="settings that were changed, and need a restart")]


class RuleWarning(TypedDict):
    """Why a rule may never fire."""

    rule: Annotated[str, Field(description="group/alert")]
    warning: Annotated[str, Field(description="in words")]


@shown(
    rules=1,
    problems=[],
    warnings=[{"rule": "greenhouse-climate/TooHot", "warning": "no row of agriculture.readings has temperature"}],
)
class Checked(TypedDict):
    """Errors and warnings of a rule file."""

    rules: Annotated[int, Field(description="how many rules are without error")]
    problems: Annotated[list[str], Field(description="errors, with file and line")]
    warnings: list[RuleWarning]


_RuleSchema = TypedDict("_RuleSchema", {"$schema": Annotated[str, Field(description="the draft that it follows")]})


class RuleFile(TypedDict):
    """A rule file."""

    file: Annotated[str, Field(description="where it is")]
    text: Annotated[str, Field(description="what it says")]


@shown(files=[{"file": "rules/greenhouse.yaml", "text": "groups: …"}])
class RuleFiles(TypedDict):
    """The rule files in force."""

    files: Annotated[list[RuleFile], Field(description="as they were read last")]


@shown(
    **{"$schema": "https://json-schema.org/draft/2020-12/schema"},
    title="Streamgauge rules",
    type="object",
    properties={"groups": {"type": "array", "description": "groups of rules, each over one table"}},
    required=["groups"],
    additionalProperties=False,
)
class RuleSchema(_RuleSchema):
    """The JSON schema of rule files."""

    title: Annotated[str, Field(description="of the schema")]
    type: Annotated[str, Field(description="of the whole file")]
    properties: Annotated[dict[str, Any], Field(description="the keys of the file, and what is in them")]
    required: Annotated[list[str], Field(description="the keys that must be there")]
    additionalProperties: Annotated[bool, Field(description="whether there may be others")]  # noqa: N815  # as it is


class FoundAlert(TypedDict):
    """An alert that would have fired."""

    rule: Annotated[str, Field(description="group/alert")]
    fired: Annotated[Time, Field(description="the time of the sample that made it fire")]
    resolved: Annotated[str | None, Field(description="null: it still fires at the end")]
    severity: Annotated[str | None, Field(description="its label of this name")]
    zone: ZoneIfAny
    dimensions: Dimensions
    table: Table
    measure: MeasureName
    value: Annotated[float | None, Field(description="that made it fire; null: it fired without a sample")]
    bounds: Annotated[dict[str, float], Field(description="that were violated")]
    measured: Annotated[bool, Field(description="whether value and bounds are of the measure itself")]


class AlertsOfDay(TypedDict):
    """How many alerts of a rule fired on a day."""

    day: Annotated[str, Field(description="in UTC")]
    rule: Annotated[str, Field(description="group/alert")]
    alerts: Annotated[int, Field(description="how many")]


class AlertsOfSensor(TypedDict):
    """How many alerts of a rule were about the same."""

    sensor: Annotated[str, Field(description="its dimensions, as name=value")]
    rule: Annotated[str, Field(description="group/alert")]
    alerts: Annotated[int, Field(description="how many")]


_Backtested = TypedDict("_Backtested", {"from": Annotated[Time, Field(description="the begin")]})


@shown(
    **{"from": "2026-11-22T10:00:00Z", "to": "2026-11-23T10:00:00Z", "until": "2026-11-23T10:00:00Z"},
    rows=17280,
    alerts=1,
    rules={"greenhouse-climate/TooHot": 1},
    days=[{"day": "2026-11-22", "rule": "greenhouse-climate/TooHot", "alerts": 1}],
    sensors=[{"sensor": "sensor=s-00042", "rule": "greenhouse-climate/TooHot", "alerts": 1}],
    found=[
        {
            "rule": "greenhouse-climate/TooHot",
            "fired": "2026-11-22T13:00:10Z",
            "resolved": "2026-11-22T13:40:10Z",
            "severity": "warning",
            "zone": "gh-01/north",
            "dimensions": {"sensor": "s-00042"},
            "table": "agriculture.readings",
            "measure": "temperature",
            "value": 33.1,
            "bounds": {"max": 32.0},
            "measured": True,
        }
    ],
)
class Backtested(_Backtested):
    """The alerts that rules would have raised over history."""

    to: Annotated[Time, Field(description="the end of what was asked for")]
    until: Annotated[Time, Field(description="before `to` if time was over: what is later was not judged")]
    rows: Annotated[int, Field(description="how many were judged")]
    alerts: Annotated[int, Field(description="how many")]
    rules: Annotated[dict[str, int], Field(description="how many of each rule")]
    days: list[AlertsOfDay]
    sensors: Annotated[list[AlertsOfSensor], Field(description="those with most alerts, at most 500")]
    found: Annotated[list[FoundAlert], Field(description="the first 500 of them")]
