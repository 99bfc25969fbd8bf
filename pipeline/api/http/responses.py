"""The types of all responses: the routes build them, mypy checks them, and /openapi.json shows them.

They are plain dictionaries; nothing is validated or copied when a response is sent. A key that may be absent is
NotRequired; one that may be null is always present. Each response has an example, that of docs/http.md if there is one.
Later versions may add keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, with_config
from pydantic.fields import FieldInfo
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic wants this one before Python 3.12

from pipeline.alerting.archive.delivery import DeliveryState
from pipeline.alerting.archive.transition import TRANSITIONS
from pipeline.alerting.routing.groups import MuteKind
from pipeline.config.roles import Role
from pipeline.log.dead_letter import Reason
from pipeline.log.feedback import Verdict
from pipeline.stream.normalise.alterations import Alteration
from rules.alerts.reason import Reason as NoValue
from rules.alerts.transition import Status
from rules.kinds.standing import Stage
from store.record import MeasureType

T = TypeVar("T")

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Table = Annotated[str, Field(description="database.table")]
ZoneName = Annotated[str, Field(description="of the zone")]
ZoneIfAny = Annotated[str | None, Field(description="of the zone; null where the table has none")]
MeasureName = Annotated[str, Field(description="of the measure")]
RecordName = Annotated[str, Field(description="the measure name of its records")]
Dimensions = Annotated[dict[str, str], Field(description="name to value")]
MqttTopic = Annotated[str, Field(description="that the device published to")]
Next = Annotated[int | None, Field(description="what `before=` takes for the next page; null on the last")]


def _one_of(*values: str | None, description: str | None = None) -> FieldInfo:
    of_values: FieldInfo = Field(description=description, json_schema_extra={"enum": list(values)})
    return of_values


def _one_of_or_null(*values: str, description: str) -> FieldInfo:
    return _one_of(*values, None, description=description)


def _shown(**example: Any) -> Callable[[type[T]], type[T]]:
    """A decorator that adds an example to a response type."""
    return with_config(ConfigDict(json_schema_extra={"examples": [example]}))


_ZONE = {"zone": "gh-01/north", "table": "agriculture.readings", "sensors": 12, "last_time": "2026-11-23T10:00:00Z"}


class Zone(TypedDict):
    """A zone of a table."""

    zone: ZoneName
    table: Table
    sensors: Annotated[int, Field(description="how many distinct dimensions there are in it")]
    last_time: Annotated[Time, Field(description="the newest event time")]


@_shown(zones=[_ZONE])
class Zones(TypedDict):
    """The zones, by table and name."""

    zones: list[Zone]


_AVERAGES = {
    "zone": "gh-01/north",
    "measure": "temperature",
    "unit": "celsius",
    "bin": "5m",
    "averages": [{"time": "2026-11-23T10:00:00Z", "average": 21.43, "min": 20.9, "max": 22.1, "count": 240}],
}


class SensorSpread(TypedDict):
    """The spread over the sensors of a zone; the value of each is the mean of its rows in the bin."""

    count: Annotated[int, Field(description="of the sensors that have values", ge=1)]
    min: Annotated[float | None, Field(description="the least; null where it is not finite, as the following")]
    p10: Annotated[float | None, Field(description="a tenth is below")]
    p50: Annotated[float | None, Field(description="the median")]
    p90: Annotated[float | None, Field(description="a tenth is above")]
    max: Annotated[float | None, Field(description="the greatest")]


class Average(TypedDict):
    """The mean of the rows of one bin."""

    time: Annotated[Time, Field(description="where the bin begins; without bins, `from`")]
    average: Annotated[float | None, Field(description="the mean; null where it is not finite, as the following")]
    min: Annotated[float | None, Field(description="the least value")]
    max: Annotated[float | None, Field(description="the greatest value")]
    count: Annotated[int, Field(description="of the rows that have the measure", ge=1)]
    percentiles: NotRequired[Annotated[dict[str, float | None], Field(description="of the rows, by what was asked")]]
    sensors: NotRequired[SensorSpread]


@_shown(**_AVERAGES)
class Averages(TypedDict):
    """The averages of a measure in a zone, in ascending time; bins without rows are left out."""

    zone: ZoneName
    measure: MeasureName
    unit: Annotated[str | None, Field(description="the configured one")]
    bin: Annotated[str | None, Field(description="as it was asked for; of auto the width that was chosen")]
    averages: list[Average]


@_shown(results=[_AVERAGES])
class AveragesOfSeveral(TypedDict):
    """One result a zone and measure, in the order they were named first."""

    results: list[Averages]


@_shown(account="farm-7", role="write", tokens=True)
class Me(TypedDict):
    """The account and the role of a request."""

    account: Annotated[str, Field(description="the only one that is seen")]
    role: Annotated[str, _one_of(*Role, description="what it may do")]
    tokens: Annotated[bool, Field(description="whether the server asks for a token")]


class TableThereIs(TypedDict):
    """A table."""

    table: Table
    series: Annotated[int, Field(description="how many have rows: sets of dimensions, each with its measure name")]
    last_time: Annotated[Time | None, Field(description="the newest event time; null without rows")]
    memory_bytes: Annotated[int, Field(description="of its rows in RAM, about")]
    memory_bytes_per_value: Annotated[float | None, Field(description="of the memory tier; null without values")]
    magnetic_bytes: Annotated[int, Field(description="of its files")]
    magnetic_bytes_per_value: Annotated[float | None, Field(description="of files written since the start")]


@_shown(
    tables=[
        {
            "table": "agriculture.readings",
            "series": 240,
            "last_time": "2026-11-23T10:00:00Z",
            "memory_bytes": 41_943_040,
            "memory_bytes_per_value": 5.1,
            "magnetic_bytes": 335_544_320,
            "magnetic_bytes_per_value": 1.83,
        }
    ]
)
class Tables(TypedDict):
    """The tables, by name."""

    tables: list[TableThereIs]


class ValueCount(TypedDict):
    """A value of a dimension."""

    value: Annotated[str, Field(description="of the dimension")]
    series: Annotated[int, Field(description="how many have it")]


class DimensionCounts(TypedDict):
    """A dimension of a table."""

    table: Table
    dimension: Annotated[str, Field(description="its name")]
    values: Annotated[int, Field(description="how many different ones there are")]
    series: Annotated[int, Field(description="how many have this dimension")]
    top: Annotated[list[ValueCount], Field(description="the values with most series")]


@_shown(
    dimensions=[
        {
            "table": "agriculture.readings",
            "dimension": "zone",
            "values": 12,
            "series": 240,
            "top": [{"value": "north", "series": 40}],
        }
    ]
)
class DimensionsFound(TypedDict):
    """The dimensions of tables, those with most values first."""

    dimensions: list[DimensionCounts]


class Worker(TypedDict):
    """A worker."""

    worker: Annotated[str, Field(description="the address at which others reach it")]
    partitions: Annotated[list[int], Field(description="of the readings in the log that it owns")]


@_shown(partitions=4, workers=[{"worker": "10.0.0.5:8080", "partitions": [0, 1]}])
class Workers(TypedDict):
    """The workers, and how many partitions there are, also those that nobody owns at the moment."""

    partitions: Annotated[int, Field(description="of the readings in the log")]
    workers: list[Worker]


class Finding(TypedDict):
    """What a check of the doctor found."""

    check: Annotated[str, Field(description="what was looked at, as `disk`")]
    level: Annotated[str, _one_of("ok", "warn", "fail", description="warn: works, but is a risk")]
    what: Annotated[str, Field(description="what was found")]
    remedy: Annotated[str, Field(description="what to do about it; empty if all is well")]


_FINDING = {
    "check": "certificates",
    "level": "warn",
    "what": "http.tls.certificate: /etc/streamgauge/http.pem expires on 2026-12-01",
    "remedy": "renew it; see why its renewal did not",
}


@_shown(findings=[_FINDING])
class Examined(TypedDict):
    """The findings of the doctor, in the order of its checks."""

    findings: list[Finding]


_LATEST = {
    "table": "agriculture.readings",
    "zone": "gh-01/north",
    "dimensions": {"greenhouse": "gh-01", "zone": "north", "sensor": "s-00042"},
    "measure_name": "climate",
    "measure": "temperature",
    "unit": "celsius",
    "time": "2026-11-23T10:00:00Z",
    "value": 21.4,
}


class LatestValue(TypedDict):
    """The value of a measure in the newest row of a series that has it."""

    table: Table
    zone: ZoneIfAny
    dimensions: Dimensions
    measure_name: RecordName
    measure: MeasureName
    unit: Annotated[str | None, Field(description="the configured one")]
    time: Annotated[Time, Field(description="of the row")]
    value: Annotated[float | int | bool | str | None, Field(description="null where it is a number and not finite")]


@_shown(latest=[_LATEST])
class Latest(TypedDict):
    """The last values, newest first."""

    latest: list[LatestValue]


_ALERT = {
    "table": "agriculture.readings",
    "zone": "gh-01/north",
    "id": "0f6c1d2e9b7a4c35d81b66e2a94f03c7",
    "rule": "greenhouse-climate/TooHot",
    "status": "firing",
    "since": "2026-11-23T10:02:05Z",
    "value": 33.1,
    "bounds": {"max": 32},
    "measure": "temperature",
    "dimensions": {"zone": "north", "sensor": "s-00042"},
    "labels": {"severity": "warning"},
    "annotations": {"summary": "gh-01/north: 33.1 °C on s-00042"},
    "updated": "2026-11-23T10:02:05Z",
    "muted": {"kind": "acknowledged", "silence": None, "until": "2026-11-23T12:00:00Z"},
    "acknowledged": {
        "by": "Ada",
        "why": "the vent is stuck, I am on my way",
        "at": "2026-11-23T10:05:00Z",
        "until": "2026-11-23T12:00:00Z",
    },
}


class Muted(TypedDict):
    """Why nobody is told of an alert."""

    kind: Annotated[str, _one_of(*MuteKind, description="why")]
    silence: Annotated[str | None, Field(description="the id of the silence, if it is one")]
    until: Annotated[Time | None, Field(description="until when; null if that is not known")]


class Acknowledged(TypedDict):
    """Who acknowledged an alert."""

    by: Annotated[str, Field(description="who")]
    why: Annotated[str, Field(description="the reason")]
    at: Annotated[Time, Field(description="when")]
    until: Annotated[Time | None, Field(description="until when; null: until it resolves")]


class Alert(TypedDict):
    """An alert as its webhook has it, with its table and zone."""

    table: Table
    zone: ZoneIfAny
    id: Annotated[str, Field(description="one for its firing and its resolved")]
    rule: Annotated[str, Field(description="group/alert")]
    status: Annotated[str, _one_of(*Status, description="what it is now")]
    since: Annotated[Time, Field(description="of the first sample beyond the bounds")]
    value: Annotated[
        float | None, Field(description="the value, or rate, that gave it this status; null where there is none")
    ]
    bounds: Annotated[dict[str, float], Field(description="what it was outside of: `min`, `max`")]
    measure: MeasureName
    dimensions: Dimensions
    labels: Annotated[dict[str, str], Field(description="of the rule")]
    annotations: Annotated[dict[str, str], Field(description="of the rule, filled in")]
    reason: NotRequired[Annotated[str, _one_of(*NoValue, description="why it turned, where no value made it")]]
    explanation: NotRequired[
        Annotated[dict[str, str | float | None], Field(description="of a detector, what it knew of the value")]
    ]
    updated: Annotated[Time, Field(description="of the sample that gave it this status")]
    muted: Annotated[Muted | None, Field(description="why nobody is told of it now; null if its receivers are")]
    acknowledged: Annotated[Acknowledged | None, Field(description="who acknowledged it last")]


@_shown(alerts=[_ALERT], next=None)
class Alerts(TypedDict):
    """Alerts, newest first."""

    alerts: list[Alert]
    next: Next


_TRANSITION = {
    "id": "0f6c1d2e9b7a4c35d81b66e2a94f03c7",
    "kind": "acknowledged",
    "time": "2026-11-23T10:05:00Z",
    "status": "firing",
    "rule": "greenhouse-climate/TooHot",
    "table": "agriculture.readings",
    "zone": "gh-01/north",
    "value": 33.1,
    "dimensions": {"zone": "north", "sensor": "s-00042"},
    "labels": {"severity": "warning"},
    "annotations": {"summary": "gh-01/north: 33.1 °C on s-00042"},
    "muted": None,
    "by": "Ada",
    "why": "the vent is stuck, I am on my way",
    "until": "2026-11-23T12:00:00Z",
    "verdict": None,
}


class AlertTransition(TypedDict):
    """One change of an alert."""

    id: Annotated[str, Field(description="of the alert")]
    kind: Annotated[str, _one_of(*TRANSITIONS, description="what happened")]
    time: Annotated[Time, Field(description="of the sample; of an acknowledgement or feedback, when it was made")]
    status: Annotated[str, _one_of(*Status, description="of the alert from then on")]
    rule: Annotated[str, Field(description="group/alert")]
    table: Table
    zone: ZoneIfAny
    value: Annotated[float | None, Field(description="of that sample")]
    dimensions: Dimensions
    labels: Annotated[dict[str, str], Field(description="of the rule")]
    annotations: Annotated[dict[str, str], Field(description="of the rule, filled in")]
    muted: Annotated[str | None, Field(description="silenced or inhibited at that time; null if neither")]
    by: Annotated[str | None, Field(description="who acknowledged it, or gave feedback")]
    why: Annotated[str | None, Field(description="the reason, or the comment")]
    until: Annotated[Time | None, Field(description="until when it is acknowledged")]
    verdict: Annotated[str | None, _one_of_or_null(*Verdict, description="of feedback; else null")]


class Feedback(TypedDict):
    """What an operator said of an alert."""

    verdict: Annotated[str, _one_of(*Verdict, description="what it was")]
    by: Annotated[str, Field(description="who")]
    comment: Annotated[str, Field(description="may be empty")]
    at: Annotated[Time, Field(description="when")]


@_shown(alert=_ALERT, feedback=None, transitions=[_TRANSITION])
class AlertShown(TypedDict):
    """An alert, and all that happened to it."""

    alert: Alert
    feedback: Annotated[Feedback | None, Field(description="the newest; null if there was none")]
    transitions: list[AlertTransition]


_LevelOfRule = TypedDict("_LevelOfRule", {"for": Annotated[str, Field(description="a time, or samples")]})


class LevelOfRule(_LevelOfRule):
    """A level of a rule, from the least severe."""

    name: Annotated[str, Field(description="info, warning, critical; empty if there is one")]
    bounds: Annotated[dict[str, float], Field(description="`min`, `max`")]
    clear: Annotated[dict[str, float], Field(description="inside which it resolves")]
    bands: Annotated[int, Field(description="how many bands of time have other bounds")]
    clear_for: Annotated[str, Field(description="a time, or samples")]
    keep_firing_for: Annotated[str, Field(description="how long it fires at least")]


class ExplainedRule(TypedDict):
    """The rule of an alert, as it is now."""

    rule: Annotated[str, Field(description="group/alert")]
    file: Annotated[str, Field(description="that defines it")]
    kind: Annotated[str, Field(description="as range")]
    measures: Annotated[list[str], Field(description="whose samples it needs")]
    levels: Annotated[list[LevelOfRule], Field(description="from the least severe")]


class ExplainedValue(TypedDict):
    """A value that was compared with the bounds."""

    time: Annotated[Time, Field(description="of the sample or the end of the window")]
    value: Annotated[float, Field(description="what the kind of the rule makes of the samples")]
    bounds: Annotated[dict[str, float], Field(description="of the least severe level at that time")]
    phase: Annotated[str, Field(description="ok, pending or firing, from then on")]


class ExplainedPeer(TypedDict):
    """A sensor of the zone, in the window that decided."""

    dimensions: Dimensions
    samples: Annotated[int, Field(description="how many")]
    average: Annotated[float, Field(description="of these")]
    min: Annotated[float, Field(description="the lowest of these")]
    max: Annotated[float, Field(description="the highest of these")]


class ExplainedEvent(TypedDict):
    """What the rule, or one that it is composed of, told."""

    time: Annotated[Time, Field(description="of the sample, or of the end of the window")]
    rule: Annotated[str, Field(description="group/alert")]
    status: Annotated[str, _one_of(*Status, description="of the alert from then on")]
    value: Annotated[float | None, Field(description="that caused it; null where none did")]
    labels: Annotated[dict[str, str], Field(description="of the rule")]


_EXPLAINED_RULE = {
    "rule": "greenhouse-climate/TooHot",
    "file": "rules/greenhouse.yaml",
    "kind": "range",
    "measures": ["temperature"],
    "levels": [
        {
            "name": "",
            "bounds": {"max": 32.0},
            "clear": {"max": 30.0},
            "bands": 0,
            "for": "2m",
            "clear_for": "0s",
            "keep_firing_for": "0s",
        }
    ],
}
_Explained = TypedDict("_Explained", {"from": Annotated[Time, Field(description="since when rows were read")]})


@_shown(
    **{"from": "2026-11-23T09:46:00Z"},
    alert=_ALERT,
    rule=_EXPLAINED_RULE,
    to="2026-11-23T10:02:05Z",
    reproduced=True,
    values=[{"time": "2026-11-23T10:02:05Z", "value": 33.1, "bounds": {"max": 32}, "phase": "firing"}],
    explanation=None,
    peers=[],
    events=[],
    steps=["2026-11-23T10:02:05Z: 33.1 is above max 32: firing"],
)
class Explained(_Explained):
    """Why an alert fired."""

    alert: Alert
    rule: ExplainedRule
    to: Annotated[Time, Field(description="until when rows were read")]
    reproduced: Annotated[bool, Field(description="whether these rows alone give the same alert")]
    values: Annotated[list[ExplainedValue], Field(description="what was judged of it, the last 500")]
    explanation: Annotated[
        dict[str, str | float | None] | None,
        Field(description="of a detector, what it knew when the alert fired: the detector, expected, lower, upper, p"),
    ]
    peers: Annotated[
        list[ExplainedPeer], Field(description="of `zone`, `peers` and `detector`: the sensors of the zone")
    ]
    events: Annotated[list[ExplainedEvent], Field(description="of the rule, and of those that it is composed of")]
    steps: Annotated[list[str], Field(description="the decision in sentences")]


@_shown(id="0f6c1d2e9b7a4c35d81b66e2a94f03c7")
class Done(TypedDict):
    """It is in the log, and takes effect at once."""

    id: Annotated[str, Field(description="of what was made or changed")]


_Silence = TypedDict("_Silence", {"from": Annotated[Time | None, Field(description="its begin; null: always")]})


class Silence(_Silence):
    """A silence."""

    id: Annotated[str, Field(description="of the silence")]
    matchers: Annotated[list[str], Field(description="which alerts: all must match")]
    to: Annotated[Time | None, Field(description="its end; null: until it is ended")]
    every: Annotated[dict[str, Any] | None, Field(description="the hours of the week in which it is active")]
    by: Annotated[str, Field(description="who silences")]
    why: Annotated[str, Field(description="the reason")]
    is_active: Annotated[bool, Field(description="whether it silences now")]
    from_config: Annotated[bool, Field(description="whether it stands in the configuration")]


@_shown(
    silences=[
        {
            "id": "9c1d0e4be2a94f03c70f6c1d2e9b7a4c",
            "matchers": ['zone_name="gh-01/north"'],
            "from": "2026-11-23T10:00:00Z",
            "to": "2026-11-23T12:00:00Z",
            "every": None,
            "by": "Ada",
            "why": "new heating pipes",
            "is_active": True,
            "from_config": False,
        }
    ]
)
class Silences(TypedDict):
    """Silences."""

    silences: list[Silence]


class Delivery(TypedDict):
    """What was sent to one receiver: of an alert's status, or of a group of alerts."""

    id: Annotated[str, Field(description="the header webhook-id: <alert id>.<status> or <group id>.<number>")]
    receiver: Annotated[str, Field(description="as it is named in the configuration")]
    state: Annotated[str, _one_of(*DeliveryState, description="its state")]
    attempts: Annotated[int, Field(description="how often it was tried")]
    queued: Annotated[Time, Field(description="when it came into the queue")]
    next_attempt: Annotated[Time | None, Field(description="while it is queued")]
    settled: Annotated[Time | None, Field(description="when it was delivered or given up")]
    error: Annotated[str | None, Field(description="of the last attempt, if it failed")]
    answer: Annotated[str | None, Field(description="of the receiver to the last attempt, or what went wrong")]


class ShownDelivery(Delivery):
    """The same, with what was sent."""

    address: Annotated[str | None, Field(description="without secrets; null if the receiver is gone")]
    title: Annotated[str | None, Field(description="of what has one, such as an e-mail")]
    body: Annotated[str | None, Field(description="what is sent")]


@_shown(
    deliveries=[
        {
            "id": "0f6c1d2e9b7a4c35d81b66e2a94f03c7.firing",
            "receiver": "growers",
            "state": "delivered",
            "attempts": 1,
            "queued": "2026-11-23T10:02:05Z",
            "next_attempt": None,
            "settled": "2026-11-23T10:02:06Z",
            "error": None,
            "answer": "HTTP 204",
            "address": "https://hooks.example/***",
            "title": "FIRING greenhouse-climate/TooHot in gh-01/north",
            "body": '{"type": "alert.firing", …}',
        }
    ]
)
class ShownDeliveries(TypedDict):
    """The deliveries of one id, one a receiver."""

    deliveries: list[ShownDelivery]


@_shown(
    deliveries=[
        {
            "id": "0f6c1d2e9b7a4c35d81b66e2a94f03c7.firing",
            "receiver": "growers",
            "state": "queued",
            "attempts": 2,
            "queued": "2026-11-23T10:02:05Z",
            "next_attempt": "2026-11-23T10:02:35Z",
            "settled": None,
            "error": "503 Service Unavailable",
            "answer": "503 Service Unavailable",
        }
    ],
    next=None,
)
class Deliveries(TypedDict):
    """Deliveries, newest first."""

    deliveries: list[Delivery]
    next: Next


@_shown(retried=3, more=False)
class Retried(TypedDict):
    """How many deliveries are tried again."""

    retried: Annotated[int, Field(description="how many are due now")]
    more: Annotated[bool, Field(description="whether others are left")]


class DetectorsOfZone(TypedDict):
    """What a rule has learnt in one zone: how many series are at each stage."""

    zone: ZoneName
    bound: Annotated[float, Field(description="of -log10 p, in this zone")]
    false: Annotated[int, Field(description="alerts that operators called false, among those that count")]
    right: Annotated[int, Field(description="alerts that they called right")]
    learning: Annotated[int, Field(description="series that no detector judges yet")]
    provisional: Annotated[int, Field(description="series that some detectors judge")]
    live: Annotated[int, Field(description="series that all detectors judge")]
    suppressed: Annotated[int, Field(description="series that are unusual now, and not learnt")]


class DetectorsOfSeries(TypedDict):
    """What a rule has learnt of one series."""

    zone: ZoneName
    measure_name: RecordName
    dimensions: Dimensions
    stage: Annotated[str, _one_of(*Stage, description="how far it is")]
    learning: Annotated[list[str], Field(description="the detectors that do not judge it yet")]
    suppressed: Annotated[list[str], Field(description="the detectors that find it unusual, and do not learn")]


class RuleDetectors(TypedDict):
    """What a rule of the kind `detector` has learnt of one table, in one partition."""

    rule: Annotated[str, Field(description="group/alert")]
    table: Table
    measure: MeasureName
    bound: Annotated[float, Field(description="of -log10 p, by its budget")]
    zones: list[DetectorsOfZone]
    series: list[DetectorsOfSeries]


@_shown(
    detectors=[
        {
            "rule": "unusual/UnusualCo2",
            "table": "agriculture.readings",
            "measure": "co2",
            "bound": 6.16,
            "zones": [
                {
                    "zone": "gh-01/north",
                    "bound": 6.46,
                    "false": 1,
                    "right": 0,
                    "learning": 1,
                    "provisional": 2,
                    "live": 37,
                    "suppressed": 1,
                }
            ],
            "series": [
                {
                    "zone": "gh-01/north",
                    "measure_name": "climate",
                    "dimensions": {"zone": "north", "sensor": "s-00042"},
                    "stage": "provisional",
                    "learning": ["noise", "drift"],
                    "suppressed": ["spike"],
                }
            ],
        }
    ]
)
class Detectors(TypedDict):
    """What rules of the kind `detector` have learnt."""

    detectors: list[RuleDetectors]


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


@_shown(
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


@_shown(forgotten=3)
class Forgotten(TypedDict):
    """Devices that are not missed any more."""

    forgotten: Annotated[int, Field(description="how many series these dimensions have")]


@_shown(table="farm.climate", state="counted", rows=17280, id=None, purge=False, detail="send confirm to delete them")
class Deletion(TypedDict):
    """Rows that are deleted, or would be."""

    table: Table
    state: Annotated[str, _one_of("counted", "running", "done", "failed", description="how far it is")]
    rows: Annotated[int | None, Field(description="how many; null if that is not known (yet)")]
    id: Annotated[str | None, Field(description="for GET /v1/deletes/{id}; null if nothing is deleted")]
    purge: Annotated[bool, Field(description="also from files that only earlier versions of the table have")]
    detail: Annotated[str, Field(description="what the state means, or why it failed")]


@_shown(generation="5f1c0ad30b1be2c4", rules=3, changed=True, in_force=True, needs_restart=[])
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


@_shown(
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


@_shown(files=[{"file": "rules/greenhouse.yaml", "text": "groups: …"}])
class RuleFiles(TypedDict):
    """The rule files in force."""

    files: Annotated[list[RuleFile], Field(description="as they were read last")]


@_shown(
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


@_shown(
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


_DEVICE = {
    "table": "agriculture.readings",
    "zone": "gh-01/north",
    "dimensions": {"region": "eu-west", "sensor": "s-00042"},
    "measure_name": "climate",
    "last_time": "2026-11-23T10:00:00Z",
}


class Device(TypedDict):
    """A series of a table: what sends it, and when last."""

    table: Table
    zone: ZoneIfAny
    dimensions: Dimensions
    measure_name: RecordName
    last_time: Annotated[Time, Field(description="the newest event time")]


class SeriesValue(TypedDict):
    """The newest value of a measure."""

    time: Annotated[Time, Field(description="of the row")]
    value: Annotated[float | int | bool | str | None, Field(description="null where it is not finite")]
    unit: Annotated[str | None, Field(description="the configured one")]


class Series(Device):
    """A series, with its last values."""

    values: Annotated[dict[str, SeriesValue], Field(description="by measure")]
    mqtt_topic: Annotated[
        str | None, Field(description="a filter for the MQTT topics of its device; null: the configuration has none")
    ]


@_shown(
    series=[
        {
            **_DEVICE,
            "values": {"temperature": {"time": "2026-11-23T10:00:00Z", "value": 21.4, "unit": "celsius"}},
            "mqtt_topic": "greenhouse/+/gh-01/north/s-00042",
        }
    ],
    matched=1,
    next=None,
)
class SeriesFound(TypedDict):
    """The series that match, by table and dimensions, in pages."""

    series: list[Series]
    matched: Annotated[int, Field(description="how many match, on all pages")]
    next: Annotated[str | None, Field(description="what `after=` takes for the next page; null on the last")]


class ParsedValue(TypedDict):
    """The value of a measure."""

    value: Annotated[float | int | bool | str | None, Field(description="null where it is not finite")]
    type: Annotated[str, _one_of(*MeasureType, description="of the measure")]


class ParsedRow(TypedDict):
    """A row that a message becomes."""

    table: Table
    zone: ZoneIfAny
    dimensions: Dimensions
    measure_name: RecordName
    time: Annotated[Time, Field(description="the event time")]
    measures: Annotated[dict[str, ParsedValue], Field(description="by name")]


class ParsedField(TypedDict):
    """How a field was altered, or left out."""

    field: Annotated[str, Field(description="of the payload, or of what is in it")]
    what: Annotated[str, _one_of(*Alteration, description="what was done to it")]
    count: Annotated[int, Field(description="in how many readings", ge=1)]


_PARSED = {
    "rows": [
        {
            "table": "agriculture.readings",
            "zone": "gh-01/north",
            "dimensions": {"greenhouse": "gh-01", "zone": "north", "sensor": "s-00042"},
            "measure_name": "climate",
            "time": "2026-11-23T10:00:00Z",
            "measures": {"temperature": {"value": 21.4, "type": "double"}},
        }
    ],
    "reason": None,
    "detail": None,
    "altered": [],
}


class Understood(TypedDict):
    """What a message becomes: rows, or the reason why there are none."""

    rows: list[ParsedRow]
    reason: Annotated[str | None, _one_of_or_null(*Reason, description="why it would be a dead letter")]
    detail: Annotated[str | None, Field(description="what was wrong")]
    altered: list[ParsedField]


@_shown(**_PARSED)
class Parsed(Understood):
    """What a message would become."""


class Payload(TypedDict):
    """A payload, as text if it is UTF-8, else as base64."""

    payload: NotRequired[Annotated[str, Field(description="what the device sent")]]
    payload_base64: NotRequired[Annotated[str, Field(description="the same where it is not UTF-8")]]


class Message(Understood, Payload):
    """A message that has arrived, and what it becomes: of its rows the first 20, of its payload the first 16 KiB."""

    arrival: Annotated[Time, Field(description="at the gateway")]
    mqtt_topic: MqttTopic
    bytes: Annotated[int, Field(description="the size of the payload")]


@_shown(
    messages=[
        {
            **_PARSED,
            "arrival": "2026-11-23T10:00:00.2Z",
            "mqtt_topic": "greenhouse/eu-west/gh-01/north/s-00042",
            "bytes": 42,
            "payload": '{"ts": 1795428000000, "temperature": 21.4}',
        }
    ],
    matched=1,
    unread_frames=0,
)
class LiveMessages(TypedDict):
    """An event `messages`: the newest since the event before, oldest first."""

    messages: list[Message]
    matched: Annotated[int, Field(description="how many messages matched, also those that are not listed")]
    unread_frames: Annotated[int, Field(description="how many frames of the log were not looked at: there were many")]


class LiveMeasure(TypedDict):
    """The last values of a measure, of the sensors of a zone."""

    average: Annotated[float | None, Field(description="the mean; null where it is not finite, as the following")]
    min: Annotated[float | None, Field(description="the least value")]
    max: Annotated[float | None, Field(description="the greatest value")]
    count: Annotated[int, Field(description="of the values, one a series", ge=1)]


_LIVE_ZONE = {**_ZONE, "measures": {"temperature": {"average": 21.43, "min": 20.9, "max": 22.1, "count": 12}}}


class LiveZone(TypedDict):
    """A zone as it is now."""

    table: Table
    zone: ZoneName
    sensors: Annotated[int, Field(description="how many distinct dimensions there are in it")]
    last_time: Annotated[Time, Field(description="the newest event time")]
    measures: Annotated[dict[str, LiveMeasure], Field(description="those with values that count, by name")]


@_shown(zones=[_LIVE_ZONE])
class LiveZones(TypedDict):
    """An event `zones`: the zones that have changed, at first all."""

    zones: list[LiveZone]


@_shown(series=240, records_per_second=48.0, devices=[_DEVICE])
class LiveDevices(TypedDict):
    """An event `devices`: those heard last that have changed, at first all of them."""

    series: Annotated[int, Field(description="how many have rows, in the tables asked for")]
    records_per_second: Annotated[float | None, Field(description="of these tables; null where it is not known yet")]
    devices: list[Device]


@_shown(transitions=[_TRANSITION])
class LiveAlerts(TypedDict):
    """An event `alerts`: what happened to alerts."""

    transitions: list[AlertTransition]


class Rejected(TypedDict):
    """Messages of one MQTT topic that were rejected for one reason, among the dead letters kept."""

    mqtt_topic: MqttTopic
    reason: Annotated[str, _one_of(*Reason, description="why")]
    count: Annotated[int, Field(description="how many there were")]
    last_arrival: Annotated[Time, Field(description="when the newest arrived")]
    detail: Annotated[str | None, Field(description="what was wrong with the last")]


class Altered(TypedDict):
    """A field of a table that was altered to store it, or left out, since this worker's start."""

    table: Table
    field: Annotated[str, Field(description="as the device names it")]
    what: Annotated[str, _one_of(*Alteration, description="what happened to it")]
    count: Annotated[int, Field(description="how often")]
    last_arrival: Annotated[Time, Field(description="when the newest of these arrived")]


@_shown(
    devices=[_DEVICE],
    rejected=[
        {
            "mqtt_topic": "greenhouse/eu-west/gh-01/north/s-00043",
            "reason": "invalid_json",
            "count": 3,
            "last_arrival": "2026-11-23T09:58:12.5Z",
            "detail": "the payload is cut off",
        }
    ],
    rejected_in_all=3,
    altered=[
        {
            "table": "agriculture.readings",
            "field": "temperature",
            "what": "no_value",
            "count": 7,
            "last_arrival": "2026-11-23T09:59:01Z",
        }
    ],
)
class Devices(TypedDict):
    """Devices, newest first, and which messages were rejected and fields altered."""

    devices: list[Device]
    rejected: list[Rejected]
    rejected_in_all: Annotated[int, Field(description="messages of the account that are kept as dead letters")]
    altered: list[Altered]


class Earlier(TypedDict):
    """The types and units that older rows of a measure have."""

    types: list[Annotated[str, _one_of(*MeasureType, description="not the present one")]]
    units: Annotated[list[str], Field(description="that are not the present one")]


_MEASURE = {
    "table": "agriculture.readings",
    "measure": "temperature",
    "type": "double",
    "unit": "celsius",
    "since": "2026-11-20T08:00:00Z",
    "earlier": {"types": ["varchar"], "units": ["fahrenheit"]},
}


@_shown(**_MEASURE)
class Measure(TypedDict):
    """A measure of a table: its type and unit, and what they were before."""

    table: Table
    measure: MeasureName
    type: Annotated[str, _one_of(*MeasureType, description="the present one")]
    unit: Annotated[str | None, Field(description="null: none is known")]
    since: Annotated[Time | None, Field(description="when type or unit was changed; null: never")]
    earlier: Earlier


class TargetColumn(TypedDict):
    """A column of the table of an import."""

    name: Annotated[str, Field(description="of the column")]
    kind: Annotated[str, _one_of("dimension", "zone", "measure", description="what it is")]
    type: Annotated[str, _one_of(*MeasureType, description="of its values; that of dimensions is varchar")]


@_shown(table="farm.history", exists=True, columns=[{"name": "temperature", "kind": "measure", "type": "double"}])
class ImportTarget(TypedDict):
    """The table of an import."""

    table: Table
    exists: Annotated[bool, Field(description="whether there is such a table")]
    columns: Annotated[list[TargetColumn], Field(description="that rows have")]


class RejectedRows(TypedDict):
    """Rows of an import that were not stored, for one reason."""

    reason: Annotated[str, Field(description="why")]
    count: Annotated[int, Field(description="of these rows")]
    rows: Annotated[list[int], Field(description="the places of these rows in the request, from 0")]


class RunOfRows(TypedDict):
    """Successive rows of an import with the same outcome."""

    outcome: Annotated[str, _one_of("new", "same", "replaced", "rejected", description="of each of them")]
    rows: Annotated[int, Field(description="how many they are")]


@_shown(rows=250_000, new=250_000, same=0, replaced=0, runs=[{"outcome": "new", "rows": 250_000}], rejected=[])
class Imported(TypedDict):
    """What became of the rows of an import."""

    rows: Annotated[int, Field(description="of the request")]
    new: Annotated[int, Field(description="that were not there")]
    same: Annotated[int, Field(description="that were stored already, with the same values")]
    replaced: Annotated[int, Field(description="whose version is higher than that of the stored row")]
    runs: Annotated[list[RunOfRows], Field(description="the same, in the order of the request")]
    rejected: Annotated[list[RejectedRows], Field(description="that were not stored, by reason")]


@_shown(measures=[_MEASURE])
class Measures(TypedDict):
    """The measures, by table."""

    measures: list[Measure]


@_shown(functions=["abs", "ago", "avg"])
class Functions(TypedDict):
    """What SQL can call."""

    functions: Annotated[list[str], Field(description="the names, in order")]


_LETTER = {
    "id": "7c1e:0:1042:3",
    "mqtt_topic": "greenhouse/eu-west/gh-01/north/s-00043",
    "reason": "invalid_json",
    "detail": "the payload is cut off",
    "arrival": "2026-11-23T09:58:12.5Z",
    "replayed": None,
    "payload": '{"temperature": 21.',
}


@_shown(**_LETTER)
class DeadLetter(TypedDict):
    """A message that could not become a record; its payload as text where it is UTF-8, else as base64."""

    id: Annotated[str, Field(description="for a replay")]
    mqtt_topic: MqttTopic
    reason: Annotated[str, _one_of(*Reason, description="why it is no record")]
    detail: Annotated[str, Field(description="what was wrong, the value, and what is allowed")]
    arrival: Annotated[Time, Field(description="when the message arrived")]
    replayed: Annotated[Time | None, Field(description="when it was replayed")]
    payload: NotRequired[Annotated[str, Field(description="as the device sent it")]]
    payload_base64: NotRequired[
        Annotated[str, Field(description="where it is not UTF-8", json_schema_extra={"contentEncoding": "base64"})]
    ]


@_shown(dead_letters=[_LETTER], next=None)
class DeadLetters(TypedDict):
    """Dead letters, newest first."""

    dead_letters: list[DeadLetter]
    next: Next


@_shown(replayed=1000, more=True, up_to=5210)
class Replayed(TypedDict):
    """How many dead letters were put through the stream again."""

    replayed: Annotated[int, Field(description="how many, in this request")]
    more: Annotated[bool, Field(description="whether others of the reason are left")]
    up_to: Annotated[
        int | None, Field(description="for the next request, to take these alone; null where ids were named")
    ]


class ResultColumn(TypedDict):
    """A column of a result."""

    name: Annotated[str, Field(description="as in the query")]
    type: Annotated[str, Field(description="in Timestream's words, as `bigint` or `array[double]`")]


@_shown(columns=[{"name": "n", "type": "bigint"}], rows=[[120000]], truncated=False)
class QueryResult(TypedDict):
    """A query's result. Numbers, truths and text are as they are; times are RFC 3339 text, NaN and infinities text."""

    columns: list[ResultColumn]
    rows: Annotated[list[list[Any]], Field(description="a value a column, null where there is none")]
    truncated: Annotated[bool, Field(description="whether there were more rows than an answer may have")]


class Query(TypedDict):
    """A query that runs, or waits for a place."""

    id: Annotated[str, Field(description="Timestream's QueryId, where it was asked there")]
    text: Annotated[str, Field(description="the SQL, or which averages")]
    state: Annotated[str, _one_of("running", "waiting", description="waiting for a place, or running")]
    asked: Annotated[Time, Field(description="when it came")]
    started: Annotated[Time | None, Field(description="null while it waits")]


@_shown(
    queries=[
        {
            "id": "AEBQEAMZ6PYW4TJ5GK2ULQ3X7Y",
            "text": "SELECT 1",
            "state": "running",
            "asked": "2026-11-23T10:00:00Z",
            "started": "2026-11-23T10:00:00.2Z",
        }
    ]
)
class Queries(TypedDict):
    """The queries that run or wait, the oldest first."""

    queries: list[Query]


@_shown(cancelled="AEBQEAMZ6PYW4TJ5GK2ULQ3X7Y")
class Cancelled(TypedDict):
    """The query is interrupted, which takes at most a second."""

    cancelled: Annotated[str, Field(description="its id")]


@_shown(status="ok")
class Health(TypedDict):
    """The process answers."""

    status: Annotated[str, _one_of("ok", description="always this")]


ClockStep = TypedDict(
    "ClockStep",
    {
        "from": Annotated[Time, Field(description="what it said")],
        "to": Annotated[Time, Field(description="what it showed then")],
        "by_seconds": Annotated[float, Field(description="below 0: it was set back")],
    },
)


class HostClock(TypedDict):
    """The host's clock, and how often it was set."""

    now: Annotated[Time, Field(description="what it says")]
    is_set: Annotated[bool, Field(description="whether it says a time at which this program existed")]
    steps: Annotated[int, Field(description="how often it was set since this worker started")]
    last_step: NotRequired[ClockStep]


@_shown(
    status="ready",
    lag_seconds=0.0,
    frames_behind=0,
    partitions=[0],
    clock={"now": "2026-11-23T10:00:00Z", "is_set": True, "steps": 0},
)
class Readiness(TypedDict):
    """How far the stream is behind the log."""

    status: Annotated[str, _one_of("ready", "catching up", description="whether queries are answered from fresh data")]
    lag_seconds: Annotated[float, Field(description="how long the oldest message has waited that is not applied")]
    frames_behind: Annotated[int, Field(description="frames of the log that are not applied")]
    partitions: Annotated[list[int], Field(description="of [readings], that are this worker's")]
    clock: NotRequired[HostClock]


class UsageNames(TypedDict):
    """What a line of usage is of; null is what the lines are not divided by."""

    account: Annotated[str | None, Field(description="of the data and of the queries")]
    database: Annotated[str | None, Field(description='"": queries that read no table')]
    table: Annotated[str | None, Field(description='"": queries that read no table')]
    day: Annotated[str | None, Field(description="a date, UTC")]


class UsageNumbers(TypedDict):
    """What was used."""

    records: Annotated[int, Field(description="written")]
    written_bytes: Annotated[int, Field(description="of these records: names and values, as Timestream counts them")]
    memory_gib_hours: Annotated[float, Field(description="GiB in the memory tier times hours")]
    magnetic_gib_hours: Annotated[float, Field(description="GiB in the magnetic tier times hours")]
    queries: Annotated[int, Field(description="that read rows")]
    scanned_bytes: Annotated[int, Field(description="by these queries")]
    metered_bytes: Annotated[int, Field(description="the same, at least 10 MB a query")]


Cost = Annotated[str | None, Field(description="a decimal number; null without `prices` in the configuration")]


class UsageLine(UsageNames, UsageNumbers):
    """The usage of one group."""

    cost: Cost


class UsageTotal(UsageNumbers):
    """The sum of all lines."""

    cost: Cost


class StoredTable(TypedDict):
    """The bytes of a table now."""

    account: Annotated[str, Field(description="of the table")]
    table: Table
    memory_bytes: Annotated[int, Field(description="its share of the memory tier")]
    magnetic_bytes: Annotated[int, Field(description="of its files in the magnetic tier")]


_USED = {
    "records": 120_000,
    "written_bytes": 15_120_000,
    "memory_gib_hours": 0.21,
    "magnetic_gib_hours": 3.4,
    "queries": 96,
    "scanned_bytes": 480_000_000,
    "metered_bytes": 1_130_000_000,
    "cost": "0.014082",
}
_USAGE = TypedDict(
    "_USAGE",
    {
        "from": Annotated[str, Field(description="the first day")],
        "to": Annotated[str, Field(description="the last day")],
        "currency": Annotated[str | None, Field(description="of the costs; null without `prices`")],
        "usage": list[UsageLine],
        "total": UsageTotal,
        "stored": Annotated[list[StoredTable], Field(description="now, whatever the days")],
    },
)


@_shown(
    **{"from": "2026-11-01", "to": "2026-11-30"},
    currency="EUR",
    usage=[{"account": "default", "database": "agriculture", "table": "readings", "day": "2026-11-23"} | _USED],
    total=_USED,
    stored=[
        {
            "account": "default",
            "table": "agriculture.readings",
            "memory_bytes": 9_400_000,
            "magnetic_bytes": 151_000_000,
        }
    ],
)
class Usage(_USAGE):
    """Usage by lines, their sum, and what is stored now."""
