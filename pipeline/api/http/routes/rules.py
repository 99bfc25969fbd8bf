"""`/v1/rules`: the rules in force, warnings about them or about others, and what others would have done."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, cast

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.http import responses
from pipeline.api.http.backtests.messages import Found, Verdict
from pipeline.api.http.backtests.reading import History
from pipeline.api.http.backtests.running import Wanted, run
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem, bad_parameter
from pipeline.api.http.services import Services, account, asker, services, who
from pipeline.api.http.slots import Asker
from pipeline.api.http.times import time_ns
from pipeline.base.errors import ConfigError
from pipeline.config.roles import Role
from pipeline.stream.rule_book import RuleBook
from rules import Rule, RuleFileError
from rules.files.parse import parse_rules
from rules.schema import rule_schema
from store.values.times import rfc3339

router = APIRouter(prefix="/v1/rules", tags=["alerts"])

Parts = Annotated[Services, Depends(services)]
Account = Annotated[str, Depends(account)]


FAILURES = (404, *OF_BODIES, 409, 504)


class Check(BaseModel):
    """The text of a rule file."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=1_000_000)
    file: str = Field(default="rules", max_length=200, description="its name, used in error messages")


class Preview(Check):
    """The text of a rule file, and the history that it is judged by."""

    from_: str = Field(default="1d", alias="from", description="a time, or so long ago")
    to: str | None = Field(default=None, description="a time, or so long ago; null: now")


@router.get("", summary="The rules in force", **answers(responses.Rules, 404))
def rules(parts: Parts, account: Account) -> responses.Rules:
    """Each with its file, how many of its signals are pending and firing, and why it may never fire (`warnings`)."""
    book = _book(parts)
    found = [rule for rule in book.rules.rules if account in rule.where.get("account", (account,))]
    return {"rules": [_entry(book, rule, account) for rule in found]}


@router.get("/files", summary="The rule files in force", **answers(responses.RuleFiles, 403))
async def files(parts: Parts, who: Annotated[Who, Depends(who)]) -> responses.RuleFiles:
    """As they were read last, without an error. Needs `admin`, as a file may be about all accounts.

    Files with rules that are for other accounts alone are shown to the account `default` only.
    """
    who.need(Role.ADMIN, "reading the rule files")
    return {"files": [{"file": file, "text": text} for file, text in parts.rule_files(who.account)]}


@router.get("/schema", summary="The JSON schema of rule files", **answers(responses.RuleSchema))
def schema(_: Account) -> responses.RuleSchema:
    """For editors that check YAML while it is written; as `streamgauge rules schema` prints it."""
    return cast("responses.RuleSchema", rule_schema())


@router.post("/check", summary="Errors and warnings of a rule file", **answers(responses.Checked, 404, *OF_BODIES))
def check(parts: Parts, account: Account, body: Check) -> responses.Checked:
    """`problems` are errors; `warnings` say why a rule may never fire, judged by the tables of this server."""
    book = _book(parts)
    found, problems = parse_rules(body.text, body.file)
    warnings: list[responses.RuleWarning] = [
        {"rule": rule.name, "warning": warning.text}
        for rule in found
        for warning in book.warnings(rule, account=account)
    ]
    return {"rules": len(found), "problems": [str(problem) for problem in problems], "warnings": warnings}


@router.post("/backtest", summary="The alerts of a rule file over history", **answers(responses.Backtested, *FAILURES))
async def backtest(parts: Parts, asker: Annotated[Asker, Depends(asker)], body: Preview) -> responses.Backtested:
    """What `streamgauge rules backtest` says: the engine of the stream, over the rows in order of their times.

    It runs beside the stream, as queries do, and judges for 20 s: what is later than `until` was not judged.
    """
    now_ns = parts.clock_ns()
    from_ns, to_ns = time_ns("from", body.from_, now_ns), now_ns if body.to is None else time_ns("to", body.to, now_ns)
    if from_ns >= to_ns:
        raise bad_parameter("from", body.from_, "it is before `to`")
    rules, problems = await asyncio.to_thread(parse_rules, body.text, body.file)  # seconds for a megabyte
    if problems:
        told = [str(problem) for problem in problems]
        raise Problem(400, told[0], parameter="text", problems=told)
    history = History(parts.store, parts.executor, asker.account, now_ns)
    wanted = Wanted(body.text, tuple(rules), from_ns, to_ns)
    verdict = await parts.queries.run(asker, partial(run, history, wanted), text=f"backtest of {body.file}")
    return _backtested(wanted, verdict)


@router.post("/reload", summary="Read the rule files of the server again", **answers(responses.Reloaded, 400, 403, 404))
async def reload(parts: Parts, who: Annotated[Who, Depends(who)]) -> responses.Reloaded:
    """All or nothing: with a problem in any file (400, `problems`), the rules stay as they were. Needs `admin`."""
    who.need(Role.ADMIN, "reloading the rules")
    if parts.reload is None:
        raise Problem(404, "this process has no rules")
    try:
        found = await parts.reload()
    except (RuleFileError, ConfigError) as error:
        raise Problem(400, f"nothing was changed: {error}", problems=str(error).splitlines()) from error
    return {
        "generation": found.generation,
        "rules": found.rules,
        "changed": found.is_new,
        "in_force": found.is_in_force,
        "needs_restart": list(found.needs_restart),
    }


def _backtested(wanted: Wanted, verdict: Verdict) -> responses.Backtested:
    return {
        "from": rfc3339(wanted.from_ns),
        "to": rfc3339(wanted.to_ns),
        "until": rfc3339(verdict.upto_ns),
        "rows": verdict.rows,
        "alerts": verdict.alerts,
        "rules": verdict.rules,
        "days": [{"day": day, "rule": rule, "alerts": count} for day, rule, count in verdict.days],
        "sensors": [{"sensor": sensor, "rule": rule, "alerts": count} for sensor, rule, count in verdict.sensors],
        "found": [_found(one) for one in verdict.found],
    }


def _found(one: Found) -> responses.FoundAlert:
    return {
        "rule": one.rule,
        "fired": rfc3339(one.fired_ns),
        "resolved": None if one.resolved_ns is None else rfc3339(one.resolved_ns),
        "severity": one.severity,
        "zone": one.zone,
        "dimensions": one.dimensions,
        "table": one.table,
        "measure": one.measure,
        "value": one.value,
        "bounds": one.bounds,
        "measured": one.is_measured,
    }


def _book(parts: Services) -> RuleBook:
    if parts.rules is None:
        raise Problem(404, "this process has no rules")
    return parts.rules


def _entry(book: RuleBook, rule: Rule, account: str) -> responses.RuleInForce:
    standing = book.standing(rule, account)
    return {
        "rule": rule.name,
        "group": rule.group,
        "alert": rule.alert,
        "file": rule.file,
        "table": rule.table,
        "measure": rule.measure,
        "pending": standing.pending,
        "firing": standing.firing,
        "warnings": [warning.text for warning in book.warnings(rule, account=account)],
    }
