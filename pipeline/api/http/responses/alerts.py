"""Alerts and what happened to them, silences, and deliveries."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic wants this one before Python 3.12

from pipeline.alerting.archive.delivery import DeliveryState
from pipeline.alerting.archive.transition import TRANSITIONS
from pipeline.alerting.routing.groups import MuteKind
from pipeline.api.http.responses.common import (
    Dimensions,
    MeasureName,
    Next,
    Table,
    Time,
    ZoneIfAny,
    one_of,
    one_of_or_null,
    shown,
)
from pipeline.log.feedback import Verdict
from rules.alerts.reason import Reason as NoValue
from rules.alerts.transition import Status

A_ALERT = {
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

    kind: Annotated[str, one_of(*MuteKind, description="why")]
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
    status: Annotated[str, one_of(*Status, description="what it is now")]
    since: Annotated[Time, Field(description="of the first sample beyond the bounds")]
    value: Annotated[
        float | None, Field(description="the value, or rate, that gave it this status; null where there is none")
    ]
    bounds: Annotated[dict[str, float], Field(description="what it was outside of: `min`, `max`")]
    measure: MeasureName
    dimensions: Dimensions
    labels: Annotated[dict[str, str], Field(description="of the rule")]
    annotations: Annotated[dict[str, str], Field(description="of the rule, filled in")]
    reason: NotRequired[Annotated[str, one_of(*NoValue, description="why it turned, where no value made it")]]
    explanation: NotRequired[
        Annotated[dict[str, str | float | None], Field(description="of a detector, what it knew of the value")]
    ]
    updated: Annotated[Time, Field(description="of the sample that gave it this status")]
    muted: Annotated[Muted | None, Field(description="why nobody is told of it now; null if its receivers are")]
    acknowledged: Annotated[Acknowledged | None, Field(description="who acknowledged it last")]


@shown(alerts=[A_ALERT], next=None)
class Alerts(TypedDict):
    """Alerts, newest first."""

    alerts: list[Alert]
    next: Next


A_TRANSITION = {
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
    kind: Annotated[str, one_of(*TRANSITIONS, description="what happened")]
    time: Annotated[Time, Field(description="of the sample; of an acknowledgement or feedback, when it was made")]
    status: Annotated[str, one_of(*Status, description="of the alert from then on")]
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
    verdict: Annotated[str | None, one_of_or_null(*Verdict, description="of feedback; else null")]


class Feedback(TypedDict):
    """What an operator said of an alert."""

    verdict: Annotated[str, one_of(*Verdict, description="what it was")]
    by: Annotated[str, Field(description="who")]
    comment: Annotated[str, Field(description="may be empty")]
    at: Annotated[Time, Field(description="when")]


@shown(alert=A_ALERT, feedback=None, transitions=[A_TRANSITION])
class AlertShown(TypedDict):
    """An alert, and all that happened to it."""

    alert: Alert
    feedback: Annotated[Feedback | None, Field(description="the newest; null if there was none")]
    transitions: list[AlertTransition]


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


@shown(
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
    state: Annotated[str, one_of(*DeliveryState, description="its state")]
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


@shown(
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


@shown(
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


@shown(retried=3, more=False)
class Retried(TypedDict):
    """How many deliveries are tried again."""

    retried: Annotated[int, Field(description="how many are due now")]
    more: Annotated[bool, Field(description="whether others are left")]
