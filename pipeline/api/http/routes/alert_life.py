"""One alert, and its acknowledgement."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from pipeline.alerting.archive.alerts import Alert
from pipeline.alerting.archive.transition import Transition
from pipeline.api.http import responses
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem
from pipeline.api.http.routes.alerts import shown_alerts
from pipeline.api.http.services import Services, account, services, who
from pipeline.api.http.times import until_ns
from pipeline.config.roles import Role
from pipeline.log.topics import ALERTS
from store.values.times import rfc3339

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])

Parts = Annotated[Services, Depends(services)]
Account = Annotated[str, Depends(account)]


@router.get("/{alert_id}", summary="One alert", **answers(responses.AlertShown, 404))
def alert(parts: Parts, account: Account, alert_id: str) -> responses.AlertShown:
    """Its state, and all of its transitions."""
    found = find_alert(parts, account, alert_id)
    (shown,) = shown_alerts(parts, [found])
    transitions = parts.alerts.transitions(account=account, alert_id=alert_id, limit=1000)
    return {
        "alert": shown,
        "feedback": _newest_feedback(transitions),
        "transitions": [shown_transition(one) for one in transitions],
    }


def _newest_feedback(transitions: Sequence[Transition]) -> responses.Feedback | None:
    notes = [one.note for one in transitions if one.kind == "feedback" and one.note is not None]
    if not notes:
        return None
    note = notes[-1]
    return {"verdict": note["verdict"], "by": note["by"], "comment": note["why"], "at": rfc3339(note["at_ns"])}


class Ack(BaseModel):
    """Who acknowledges an alert, why, and until when; without an end, until it resolves."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=200, description="who")
    why: str = Field(min_length=1, max_length=2000, description="the reason, or what is done about it")
    until: str | None = Field(
        default=None, description="RFC 3339, or a duration from now, as 2h; none: until it resolves"
    )


class Unack(BaseModel):
    """Who takes an acknowledgement back."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=200, description="who")


@router.post("/{alert_id}/ack", summary="Acknowledge an alert", **answers(responses.Done, 403, 404, *OF_BODIES))
async def ack(parts: Parts, who: Annotated[Who, Depends(who)], alert_id: str, body: Ack) -> responses.Done:
    """Nobody is told of it again until it resolves, changes (as when its severity rises), or the time is over."""
    end_ns = None if body.until is None else until_ns("until", body.until, parts.clock_ns())
    note = {"by": body.by, "why": body.why, "until_ns": end_ns}
    return await _change(parts, who, alert_id, "acked", note)


@router.post(
    "/{alert_id}/unack", summary="Take an acknowledgement back", **answers(responses.Done, 403, 404, *OF_BODIES)
)
async def unack(parts: Parts, who: Annotated[Who, Depends(who)], alert_id: str, body: Unack) -> responses.Done:
    """Its receivers are told of it again as if it was not acknowledged."""
    return await _change(parts, who, alert_id, "unacked", {"by": body.by})


async def _change(parts: Services, who: Who, alert_id: str, kind: str, note: Mapping[str, object]) -> responses.Done:
    who.need(Role.WRITE, "an acknowledgement")
    found = await asyncio.to_thread(find_alert, parts, who.account, alert_id)
    if found.status != "firing":
        raise Problem(400, f"the alert {alert_id} has resolved; there is nothing to acknowledge", parameter="alert_id")
    event = {kind: {"id": alert_id, "account": who.account, "at_ns": parts.clock_ns(), **note}}
    await parts.appender.append(ALERTS, orjson.dumps([event]), 0)
    return {"id": alert_id}


def find_alert(parts: Services, account: str, alert_id: str) -> Alert:
    """The alert of an account with this id. Raises Problem."""
    found = parts.alerts.list(account=account, alert_id=alert_id)
    if not found:
        raise Problem(404, f"no alert has the id {alert_id}; /v1/alerts lists what there is", parameter="alert_id")
    return found[0]


def shown_transition(transition: Transition) -> responses.AlertTransition:
    """The transition for clients."""
    data = transition.entry["event"]["data"]
    note = transition.note or {}
    until = note.get("until_ns")
    return {
        "id": transition.alert_id,
        "kind": transition.kind,
        "time": rfc3339(transition.at_ns),
        "status": data["status"],
        "rule": data["rule"],
        "table": transition.entry["table"],
        "zone": transition.entry["zone"],
        "value": data.get("value"),
        "dimensions": data.get("dimensions", {}),
        "labels": data.get("labels", {}),
        "annotations": data.get("annotations", {}),
        "muted": transition.muted,
        "by": note.get("by"),
        "why": note.get("why"),
        "until": None if until is None else rfc3339(until),
        "verdict": note.get("verdict"),
    }
