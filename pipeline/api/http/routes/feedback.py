"""`/v1/alerts/{id}/feedback`: an operator says whether an alert was right."""

from __future__ import annotations

import asyncio
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.http import responses
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.routes.alert_life import find_alert
from pipeline.api.http.services import Services, services, who
from pipeline.config.roles import Role
from pipeline.log.feedback import Feedback, Verdict, encode_feedback
from pipeline.log.topics import ALERTS, READINGS

router = APIRouter(prefix="/v1/alerts", tags=["alerts"])


class GivenFeedback(BaseModel):
    """Whether an alert was false or right, and who says so."""

    model_config = ConfigDict(extra="forbid")

    verdict: Verdict
    by: str = Field(min_length=1, max_length=200, description="who")
    comment: str = Field(default="", max_length=2000, description="why, or what it was")


@router.post(
    "/{alert_id}/feedback",
    summary="Say whether an alert was false or right",
    **answers(responses.Done, 403, 404, *OF_BODIES),
)
async def feedback(
    parts: Annotated[Services, Depends(services)],
    who: Annotated[Who, Depends(who)],
    alert_id: str,
    body: GivenFeedback,
) -> responses.Done:
    """The bound of a rule of the kind `detector` follows for its zone, within limits; of other rules it is recorded.

    Of an alert that has feedback, the newer counts. An alert that has resolved may be given feedback, too.
    """
    who.need(Role.WRITE, "feedback")
    alert = await asyncio.to_thread(find_alert, parts, who.account, alert_id)
    at_ns = parts.stamps.take()
    database, _, table = alert.table.partition(".")
    word = encode_feedback(
        Feedback(who.account, database, table, alert.rule, alert.zone or "", alert_id, body.verdict, at_ns)
    )
    for partition in range(parts.appender.partitions_of(READINGS)):
        await parts.appender.append(READINGS, word, partition)
    note = {"by": body.by, "why": body.comment, "verdict": body.verdict.value}
    event = {"feedback": {"id": alert_id, "account": who.account, "at_ns": at_ns, **note}}
    await parts.appender.append(ALERTS, orjson.dumps([event]), 0)
    return {"id": alert_id}
