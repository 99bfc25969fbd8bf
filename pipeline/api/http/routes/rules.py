"""`/v1/rules`: the rules in force, and warnings about them or about others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.http import responses
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem
from pipeline.api.http.services import Services, account, services, who
from pipeline.base.errors import ConfigError
from pipeline.config.roles import Role
from pipeline.stream.rule_book import RuleBook
from rules import Rule, RuleFileError
from rules.files.parse import parse_rules

router = APIRouter(prefix="/v1/rules", tags=["alerts"])

Parts = Annotated[Services, Depends(services)]
Account = Annotated[str, Depends(account)]


class Check(BaseModel):
    """The text of a rule file."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=1_000_000)
    file: str = Field(default="rules", description="its name, used in error messages")


@router.get("", summary="The rules in force", **answers(responses.Rules, 404))
def rules(parts: Parts, account: Account) -> responses.Rules:
    """Each with its file, how many of its signals are pending and firing, and why it may never fire (`warnings`)."""
    book = _book(parts)
    found = [rule for rule in book.rules.rules if account in rule.where.get("account", (account,))]
    return {"rules": [_entry(book, rule, account) for rule in found]}


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
