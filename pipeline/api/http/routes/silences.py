"""`/v1/silences`: while one lasts, nobody is told of the alerts of the account that it matches."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.alerting.routing.silences import Silence, silence_to_json
from pipeline.api.http import responses
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem, bad_parameter
from pipeline.api.http.services import Services, account, services, who
from pipeline.api.http.times import until_ns
from pipeline.base.matchers import parse_matcher
from pipeline.config.roles import Role
from pipeline.config.routing import Every
from pipeline.log.topics import ALERTS
from store.values.times import rfc3339

router = APIRouter(prefix="/v1/silences", tags=["alerts"])

Parts = Annotated[Services, Depends(services)]
Account = Annotated[str, Depends(account)]
MOST_SILENCES = 1000  # of an account that have not ended: each is compared with each alert


def _is_matcher(text: str) -> str:
    return str(parse_matcher(text))


MatcherText = Annotated[str, AfterValidator(_is_matcher)]


class NewSilence(BaseModel):
    """Which alerts nobody is told of, when, by whom and why."""

    model_config = ConfigDict(extra="forbid")

    matchers: list[Annotated[str, AfterValidator(_is_matcher)]] = Field(
        min_length=1, max_length=20, description="all must match"
    )
    start: str | None = Field(default=None, alias="from", description="RFC 3339, or a duration from now; none: now")
    to: str | None = Field(default=None, description="RFC 3339, or a duration from now, as 2h; none: until it is ended")
    every: Every | None = Field(default=None, description="only in these hours: a maintenance window")
    by: str = Field(min_length=1, max_length=200, description="who")
    why: str = Field(min_length=1, max_length=2000, description="the reason")


@router.get("", summary="Silences", **answers(responses.Silences))
def silences(parts: Parts, account: Account, ended: bool = False) -> responses.Silences:
    """Those of the account, and those of the configuration that it is concerned by; with `ended` also former ones."""
    now_ns = parts.clock_ns()
    own = parts.alerts.silences(account, -1 if ended else now_ns)
    found = [silence for silence in parts.plan().silences if _concerns(silence, account)]
    return {"silences": [_shown(silence, now_ns) for silence in (*found, *own)]}


@router.post("", summary="Silence alerts", **answers(responses.Done, 403, *OF_BODIES))
async def silence(parts: Parts, who: Annotated[Who, Depends(who)], body: NewSilence) -> responses.Done:
    """What it hides is recorded; what still fires at its end is told then, and an end is told if the beginning was."""
    who.need(Role.WRITE, "a silence")
    now_ns = parts.clock_ns()
    start_ns = now_ns if body.start is None else until_ns("from", body.start, now_ns)
    end_ns = None if body.to is None else until_ns("to", body.to, now_ns)
    if end_ns is not None and end_ns <= max(start_ns, now_ns):
        raise bad_parameter("to", str(body.to), "it is after `from`, and after now")
    standing = await asyncio.to_thread(parts.alerts.silences, who.account, now_ns, MOST_SILENCES)
    if len(standing) >= MOST_SILENCES:
        raise Problem(400, f"an account has at most {MOST_SILENCES} silences that have not ended; end some of them")
    every = None if body.every is None else body.every.recurrence
    made = Silence(
        secrets.token_hex(16),
        who.account,
        tuple(map(parse_matcher, body.matchers)),
        start_ns,
        end_ns,
        every,
        body.by,
        body.why,
    )
    await parts.appender.append(ALERTS, orjson.dumps([{"silence": silence_to_json(made)}]), 0)
    return {"id": made.id}


@router.post("/{silence_id}/end", summary="End a silence now", **answers(responses.Done, 403, 404))
async def end(parts: Parts, who: Annotated[Who, Depends(who)], silence_id: str) -> responses.Done:
    """What it hid and still fires is told. A silence of the configuration is ended there."""
    who.need(Role.WRITE, "the end of a silence")
    now_ns = parts.clock_ns()
    standing = await asyncio.to_thread(parts.alerts.silences, who.account, now_ns, MOST_SILENCES)
    if all(silence.id != silence_id for silence in standing):
        told = f"no silence that has not ended has the id {silence_id}; /v1/silences lists what there is"
        raise Problem(404, told, parameter="silence_id")
    event = {"silence_ended": {"id": silence_id, "account": who.account, "at_ns": now_ns}}
    await parts.appender.append(ALERTS, orjson.dumps([event]), 0)
    return {"id": silence_id}


def _concerns(silence: Silence, account: str) -> bool:
    of_account = (matcher for matcher in silence.matchers if matcher.label == "account")
    return silence.account in (None, account) and all(matcher.matches({"account": account}) for matcher in of_account)


def _shown(silence: Silence, now_ns: int) -> responses.Silence:
    told = silence_to_json(silence)
    return {
        "id": silence.id,
        "matchers": told["matchers"],
        "from": None if silence.start_ns is None else rfc3339(silence.start_ns),
        "to": None if silence.end_ns is None else rfc3339(silence.end_ns),
        "every": told["every"],
        "by": silence.by,
        "why": silence.why,
        "is_active": silence.active_until_ns(now_ns) is not None,
        "from_config": silence.from_config,
    }
