"""`/v1/alerts` and `/v1/alerts/deliveries`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from pipeline.archive.alerts import Alert
from pipeline.archive.delivery import Delivery, DeliveryState
from pipeline.http.problems import bad_parameter
from pipeline.http.services import Services, account, services
from rules.transition import rfc3339

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])

Parts = Annotated[Services, Depends(services)]
Account = Annotated[str, Depends(account)]
Limit = Annotated[int, Query(ge=1, le=1000, description="at most so many")]
Before = Annotated[int | None, Query(description="`next` of the page before")]
STATUSES = ("firing", "resolved")


@router.get("", summary="Alerts, newest first")
def alerts(
    parts: Parts,
    account: Account,
    status: str | None = None,
    table: str | None = None,
    zone: str | None = None,
    before: Before = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Each alert as its webhook has it, with its table and zone."""
    if status not in (None, *STATUSES):
        raise bad_parameter("status", status, f"one of {', '.join(STATUSES)}")
    found = parts.alerts.list(account=account, status=status, table=table, zone=zone, before_seq=before, limit=limit)
    return {"alerts": [_alert(alert) for alert in found], "next": found[-1].seq if len(found) == limit else None}


@router.get("/deliveries", summary="What was sent to webhooks, newest first")
def deliveries(
    parts: Parts,
    account: Account,
    receiver: str | None = None,
    state: str | None = None,
    before: Before = None,
    limit: Limit = 100,
) -> dict[str, Any]:
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


def _alert(alert: Alert) -> dict[str, Any]:
    data = alert.event["data"]
    return {"table": alert.table, "zone": alert.zone, **data, "updated": alert.event["timestamp"]}


def _delivery(delivery: Delivery) -> dict[str, Any]:
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
    }
