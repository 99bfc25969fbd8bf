"""Rules: those in force, how they are doing, and whether the text of a file would be one."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.console.site import form_of, site_of


async def rules(request: Request) -> Response:
    """The rules in force."""
    site = site_of(request)
    visitor = await site.visitor(request)
    answer = await site.shared.get(visitor.token, "/v1/rules", fresh_s=2)
    return site.page("rules.html", visitor, title="Rules", here="/rules", rules=answer["rules"])


async def check(request: Request) -> Response:
    """What is wrong with the text of a rule file, and why its rules may never fire."""
    site, fields = site_of(request), await form_of(request)
    visitor = await site.visitor(request)
    answer = await site.api.post(visitor.token, "/v1/rules/check", {"text": fields.get("text", "")})
    return site.page("rules_checked.html", visitor, checked=answer)


ROUTES = (Route("/rules", rules), Route("/rules/check", check, methods=["POST"]))
