"""Alerts: those that fire, those of before, and one with why it fired, who was told, and what can be done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pipeline.console.api import ApiRefused, segment
from pipeline.console.chart import chart
from pipeline.console.site import Site, Visitor, form_of, site_of

PAGE = 50
STATUSES = {"firing": "Firing", "resolved": "Resolved", "": "All"}


async def listing(request: Request) -> Response:
    """Alerts by status, newest first."""
    site = site_of(request)
    visitor = await site.visitor(request)
    return site.page("alerts.html", visitor, title="Alerts", here="/alerts", **await _listed(site, visitor, request))


async def live(request: Request) -> Response:
    """The rows of the list, as they change."""
    site = site_of(request)
    visitor = await site.visitor(request)

    async def render() -> Mapping[str, str]:
        return {"alerts": site.pages.render("alerts_rows.html", **await _listed(site, visitor, request))}

    return site.live(request, visitor, ("alerts", str(request.query_params)), render)


async def _listed(site: Site, visitor: Visitor, request: Request) -> dict[str, Any]:
    query = request.query_params
    status = query.get("status", "firing")
    asked = {name: query[name] for name in ("rule", "zone", "before") if query.get(name)}
    parameters = (*asked.items(), ("limit", str(PAGE)), *((("status", status),) if status else ()))
    answer = await site.shared.get(visitor.token, "/v1/alerts", parameters)
    return {
        "statuses": STATUSES,
        "status": status,
        "asked": asked,
        "alerts": answer["alerts"],
        "next": answer["next"],
        "query": str(query),
    }


async def one(request: Request) -> Response:
    """One alert with its past, the values that were judged, and the deliveries."""
    site = site_of(request)
    visitor = await site.visitor(request)
    alert_id = request.path_params["alert_id"]
    found = await site.api.get(visitor.token, _path(alert_id))
    why, deliveries, silences = await asyncio.gather(
        _explained(site, visitor, alert_id),
        _deliveries(site, visitor, alert_id),
        site.api.get(visitor.token, "/v1/silences"),
    )
    return site.page(
        "alert.html",
        visitor,
        title=found["alert"]["rule"],
        here="/alerts",
        alert=found["alert"],
        feedback=found["feedback"],
        transitions=found["transitions"],
        why=why,
        picture=None if why["problem"] else _picture(found["alert"], why),
        deliveries=deliveries,
        silence=next((one for one in silences["silences"] if one["id"] == _silence_of(found["alert"])), None),
        matchers=matchers_of(found["alert"]),
    )


def _path(alert_id: str, what: str = "") -> str:
    """The path of an alert in the API."""
    return f"/v1/alerts/{segment(alert_id)}{what}"


async def _explained(site: Site, visitor: Visitor, alert_id: str) -> Mapping[str, Any]:
    """Why it fired; `problem` where the API cannot say any more, as its rule or its rows are gone."""
    try:
        return {"problem": None, **await site.api.get(visitor.token, _path(alert_id, "/explain"))}
    except ApiRefused as error:
        return {"problem": str(error)}


def _picture(alert: Mapping[str, Any], why: Mapping[str, Any]) -> Mapping[str, Any]:
    values = why["values"]
    line = {"label": alert["measure"], "values": [value["value"] for value in values]}
    return chart([value["time"] for value in values], [line], bounds=alert["bounds"])


async def _deliveries(site: Site, visitor: Visitor, alert_id: str) -> list[Mapping[str, Any]]:
    """What was sent of the alert alone; it is told in a group where there is none."""
    found: list[Mapping[str, Any]] = []
    for status in ("firing", "resolved"):
        try:
            answer = await site.api.get(visitor.token, f"/v1/alerts/deliveries/{segment(alert_id)}.{status}")
        except ApiRefused as error:
            if error.status != 404:
                raise
        else:
            found += answer["deliveries"]
    return found


def _silence_of(alert: Mapping[str, Any]) -> str | None:
    return alert["muted"]["silence"] if alert["muted"] else None


def matchers_of(alert: Mapping[str, Any]) -> list[str]:
    """The matchers of a silence for this rule, and for this zone if it has one."""
    matchers = [f"rule={_quoted(alert['rule'])}"]
    return [*matchers, f"zone_name={_quoted(alert['zone'])}"] if alert["zone"] else matchers


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


async def ack(request: Request) -> Response:
    """Acknowledge it."""
    fields = await form_of(request)
    body = {"by": fields.get("by", ""), "why": fields.get("why", ""), "until": fields.get("until") or None}
    return await _done(request, "ack", body)


async def unack(request: Request) -> Response:
    """Take the acknowledgement back."""
    fields = await form_of(request)
    return await _done(request, "unack", {"by": fields.get("by", "")})


async def _done(request: Request, what: str, body: Mapping[str, object]) -> Response:
    site = site_of(request)
    visitor = await site.visitor(request)
    alert_id = request.path_params["alert_id"]
    await site.api.post(visitor.token, _path(alert_id, f"/{what}"), body)
    wanted = what == "ack"
    await _until(site, visitor, alert_id, lambda found: (found["alert"]["acknowledged"] is not None) == wanted)
    return RedirectResponse(f"/alerts/{segment(alert_id)}", 303)


async def feedback(request: Request) -> Response:
    """Say whether it was right."""
    site, fields = site_of(request), await form_of(request)
    visitor = await site.visitor(request)
    alert_id = request.path_params["alert_id"]
    body = {name: fields.get(name, "") for name in ("verdict", "by", "comment")}
    await site.api.post(visitor.token, _path(alert_id, "/feedback"), body)
    await _until(site, visitor, alert_id, lambda found: body.items() <= (found["feedback"] or {}).items())
    return RedirectResponse(f"/alerts/{segment(alert_id)}", 303)


async def silence(request: Request) -> Response:
    """Silence what matches."""
    site, fields = site_of(request), await form_of(request)
    visitor = await site.visitor(request)
    alert_id = request.path_params["alert_id"]
    body = {
        "matchers": [line.strip() for line in fields.get("matchers", "").splitlines() if line.strip()],
        "to": fields.get("to") or None,
        "by": fields.get("by", ""),
        "why": fields.get("why", ""),
    }
    await site.api.post(visitor.token, "/v1/silences", body)
    await _until(site, visitor, alert_id, lambda found: found["alert"]["muted"] is not None)
    return RedirectResponse(f"/alerts/{segment(alert_id)}", 303)


async def end_silence(request: Request) -> Response:
    """End a silence."""
    site, fields = site_of(request), await form_of(request)
    visitor = await site.visitor(request)
    await site.api.post(visitor.token, f"/v1/silences/{segment(fields.get('id', ''))}/end", {})
    alert_id = request.path_params["alert_id"]
    await _until(site, visitor, alert_id, lambda found: _silence_of(found["alert"]) != fields.get("id"))
    return RedirectResponse(f"/alerts/{segment(alert_id)}", 303)


async def _until(site: Site, visitor: Visitor, alert_id: str, holds: Any) -> None:
    """Return when the archive has what was asked for, which goes through the log; or after a while all the same."""
    for _ in range(20):
        found = await site.api.get(visitor.token, _path(alert_id))
        if holds(found):
            return
        await asyncio.sleep(0.1)


ROUTES = (
    Route("/alerts", listing),
    Route("/alerts/live", live),
    Route("/alerts/{alert_id}", one),
    Route("/alerts/{alert_id}/ack", ack, methods=["POST"]),
    Route("/alerts/{alert_id}/unack", unack, methods=["POST"]),
    Route("/alerts/{alert_id}/feedback", feedback, methods=["POST"]),
    Route("/alerts/{alert_id}/silence", silence, methods=["POST"]),
    Route("/alerts/{alert_id}/end-silence", end_silence, methods=["POST"]),
)
