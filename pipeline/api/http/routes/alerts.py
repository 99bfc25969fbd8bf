"""`/v1/alerts`, `/v1/alerts/deliveries` and their retry."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, cast

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from pipeline.alerting.archive.alerts import Alert, retrial
from pipeline.alerting.archive.delivery import Delivery, DeliveryState
from pipeline.alerting.receivers.payload import payload_of
from pipeline.alerting.routing.groups import Mute
from pipeline.alerting.routing.silences import LAST_NS
from pipeline.api.http import responses
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem, bad_parameter
from pipeline.api.http.services import Services, account, services, who
from pipeline.api.http.times import time_ns
from pipeline.config.receivers import Receiver
from pipeline.config.roles import Role
from pipeline.log.topics import ALERTS
from store.values.times import rfc3339

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])

Parts = Annotated[Services, Depends(services)]
Account = Annotated[str, Depends(account)]
Limit = Annotated[int, Query(ge=1, le=1000, description="the largest number of entries")]
Before = Annotated[int | None, Query(ge=0, lt=2**63, description="`next` of the page before")]
MOST_RETRIED = 10_000
MOST_RECEIVERS = 1000
STATUSES = ("firing", "resolved")


@router.get("", summary="Alerts, newest first", **answers(responses.Alerts))
def alerts(
    parts: Parts,
    account: Account,
    status: str | None = None,
    table: str | None = None,
    zone: str | None = None,
    rule: Annotated[str | None, Query(description="group/alert")] = None,
    label: Annotated[list[str] | None, Query(description="of the rule, as severity=critical; all must match")] = None,
    start: Annotated[str | None, Query(alias="from", description="changed at or after")] = None,
    to: Annotated[str | None, Query(description="changed before")] = None,
    before: Before = None,
    limit: Limit = 100,
) -> responses.Alerts:
    """Each alert as its webhook has it, with its table and zone, who acknowledged it, and why nobody is told of it."""
    if status not in (None, *STATUSES):
        raise bad_parameter("status", status, f"one of {', '.join(STATUSES)}")
    now_ns = parts.clock_ns()
    found = parts.alerts.list(
        account=account,
        status=status,
        table=table,
        zone=zone,
        rule=rule,
        labels=dict(map(_label, label or ())),
        from_ns=None if start is None else time_ns("from", start, now_ns),
        to_ns=None if to is None else time_ns("to", to, now_ns),
        before_seq=before,
        limit=limit,
    )
    return {"alerts": shown_alerts(parts, found), "next": found[-1].seq if len(found) == limit else None}


@router.get("/deliveries", summary="Deliveries to receivers, newest first", **answers(responses.Deliveries))
def deliveries(
    parts: Parts,
    account: Account,
    receiver: str | None = None,
    state: str | None = None,
    before: Before = None,
    limit: Limit = 100,
) -> responses.Deliveries:
    """One entry an alert status and receiver: queued, delivered or given up, after how many attempts, and why."""
    if state is not None and state not in set(DeliveryState):
        raise bad_parameter("state", state, f"one of {', '.join(DeliveryState)}")
    found = parts.alerts.deliveries(
        account=account,
        receiver=receiver,
        state=None if state is None else DeliveryState(state),
        before_seq=before,
        limit=limit,
    )
    return {"deliveries": [_delivery(entry) for entry in found], "next": found[-1].seq if len(found) == limit else None}


@router.get(
    "/deliveries/{delivery_id}",
    summary="Deliveries of one id, with what is sent",
    **answers(responses.ShownDeliveries, 404),
)
def delivery(parts: Parts, account: Account, delivery_id: str) -> responses.ShownDeliveries:
    """What each receiver is sent under this id, and its last answer. Secrets of addresses are masked."""
    found = parts.alerts.deliveries(account=account, delivery_id=delivery_id, limit=MOST_RECEIVERS)
    if not found:
        told = f"no delivery has the id {delivery_id}; /v1/alerts/deliveries lists what there is"
        raise Problem(404, told, parameter="delivery_id")
    receivers = {receiver.name: receiver for receiver in parts.receivers()}
    return {"deliveries": [_shown_delivery(entry, receivers.get(entry.receiver)) for entry in found]}


class Retry(BaseModel):
    """Which deliveries are tried again: those of an id, or all that failed; only to `receiver`, if it is given."""

    model_config = ConfigDict(extra="forbid")

    id: str | None = Field(default=None, description="of a delivery, or of an alert: then all of its deliveries")
    all_failed: bool = False
    receiver: str | None = None


@router.post(
    "/deliveries/retry", summary="Try failed deliveries again", **answers(responses.Retried, 403, 404, *OF_BODIES)
)
async def retry(parts: Parts, who: Annotated[Who, Depends(who)], body: Retry) -> responses.Retried:
    """Deliveries that were given up, or wait after a failure, are due now, and tried for another day.

    At most 10,000 a request: `more` says whether others are left. A firing whose resolved was delivered is not tried.
    """
    who.need(Role.WRITE, "a retry")
    account = who.account
    if (body.id is None) != body.all_failed:
        raise Problem(400, "name either an id or all_failed", parameter="id")
    archive = parts.alerts
    found = await asyncio.to_thread(
        archive.failed_deliveries, account=account, delivery_id=body.id, receiver=body.receiver, limit=MOST_RETRIED
    )
    if not found and body.id is not None:
        told = f"no failed delivery has the id {body.id}; /v1/alerts/deliveries lists what there is"
        raise Problem(404, told, parameter="id")
    if found:
        await parts.appender.append(ALERTS, orjson.dumps([retrial(delivery) for delivery in found]), 0)
    return {"retried": len(found), "more": len(found) == MOST_RETRIED}


def shown_alerts(parts: Services, alerts: Sequence[Alert]) -> list[responses.Alert]:
    """The alerts with what is known of them now."""
    mutes = parts.alerts.mutes(alerts, parts.plan(), parts.clock_ns())
    return [_alert(alert, mute) for alert, mute in zip(alerts, mutes, strict=True)]


def _alert(alert: Alert, mute: Mute | None) -> responses.Alert:
    acked = alert.acked
    shown = {
        "table": alert.table,
        "zone": alert.zone,
        **alert.event["data"],
        "updated": alert.event["timestamp"],
        "muted": None
        if mute is None
        else {"kind": mute.kind.value, "silence": mute.silence, "until": _time(mute.until_ns)},
        "acknowledged": None
        if acked is None
        else {"by": acked["by"], "why": acked["why"], "at": _time(acked["at_ns"]), "until": _time(acked["until_ns"])},
    }
    return cast("responses.Alert", shown)


def _time(time_ns: int | None) -> str | None:
    return None if time_ns is None or time_ns == LAST_NS else rfc3339(time_ns)


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or '"' in name:
        raise bad_parameter("label", text, "it is NAME=VALUE")
    return name, value


def _delivery(delivery: Delivery) -> responses.Delivery:
    settled_ns = delivery.settled_ns
    is_queued = delivery.state is DeliveryState.QUEUED
    return {
        "id": delivery.id,
        "receiver": delivery.receiver,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "queued": rfc3339(delivery.queued_ns),
        "next_attempt": rfc3339(delivery.next_attempt_ns) if is_queued else None,
        "settled": None if settled_ns is None else rfc3339(settled_ns),
        "error": delivery.error,
        "answer": delivery.answer,
    }


def _shown_delivery(delivery: Delivery, receiver: Receiver | None) -> responses.ShownDelivery:
    payload = None if receiver is None else payload_of(receiver, delivery.content)
    return {
        **_delivery(delivery),
        "address": None if receiver is None else receiver.shown,
        "title": None if payload is None else payload.title,
        "body": None if payload is None else payload.body.decode(),
    }
