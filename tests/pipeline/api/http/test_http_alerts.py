"""The life of an alert over HTTP: found, shown, followed, acknowledged and silenced, each account for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from pipeline.alerting.routing.plan import plan_for
from pipeline.config.roles import Role
from pipeline.log.feedback import feedback_of
from pipeline.log.frame import decode_frame
from pipeline.log.topics import ALERTS, READINGS
from tests.support.http_service import NS, HttpService

TOKENS = {"seven": "farm-7", "eight": "farm-8", "reader": "farm-7"}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[HttpService]:
    made = HttpService(tmp_path, TOKENS, {"reader": Role.READ})
    async with made.app.router.lifespan_context(made.app):
        yield made
    made.close()


def take_in(service: HttpService) -> None:
    """What the stage does with the newest message of [alerts]."""
    partition = service.admin.partition_id(ALERTS)
    (*_, message) = service.admin.read(ALERTS, 0, 1000)
    offset = service.alerts.next_offset(partition) or 0
    service.alerts.accept(partition, offset, orjson.loads(message.value), plan_for("growers"), now_ns=service.clock())


async def done(service: HttpService, http: httpx.AsyncClient, path: str, **body: Any) -> str:
    """Ask for a change, have it taken in, and return the id in the answer."""
    answer = await http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    take_in(service)
    return str(answer.json()["id"])


ACK = {"by": "Ada", "why": "on my way", "until": "2h"}
FEEDBACK = {"verdict": "false", "by": "Ada", "comment": "an open door"}
SILENCE = {"matchers": ['zone_name="gh-1/north"'], "to": "2h", "by": "Ada", "why": "new pipes"}


async def test_an_alert_is_acknowledged_shown_and_taken_back(service: HttpService) -> None:
    service.alert("a1", account="farm-7")
    async with service.client("seven") as http:
        await done(service, http, "/v1/alerts/a1/ack", **ACK)
        shown = (await http.get("/v1/alerts/a1")).json()
        await done(service, http, "/v1/alerts/a1/unack", by="Bob")
        after = (await http.get("/v1/alerts/a1")).json()

    until = "2026-11-23T12:00:00Z"
    assert shown["alert"]["muted"] == {"kind": "acknowledged", "silence": None, "until": until}
    assert shown["alert"]["acknowledged"] == {
        "by": "Ada", "why": "on my way", "at": "2026-11-23T10:00:00Z", "until": until,
    }  # fmt: skip
    assert after["alert"]["muted"] is None
    assert [(one["kind"], one["by"]) for one in after["transitions"]] == [
        ("firing", None),
        ("acknowledged", "Ada"),
        ("unacknowledged", "Bob"),
    ]


async def test_feedback_on_an_alert_that_has_resolved_is_shown_and_goes_to_the_rules(service: HttpService) -> None:
    service.alert("a1", account="farm-7")
    service.alert("a1", "resolved", account="farm-7")
    async with service.client("seven") as http:
        before = (await http.get("/v1/alerts/a1")).json()
        await done(service, http, "/v1/alerts/a1/feedback", **FEEDBACK)
        await done(service, http, "/v1/alerts/a1/feedback", verdict="right", by="Bob")
        after = (await http.get("/v1/alerts/a1")).json()

    at = after["transitions"][-1]["time"]
    words = [feedback_of(decode_frame(message.value)) for message in service.admin.read(READINGS, 0, 10)]
    assert before["feedback"] is None
    assert after["feedback"] == {"verdict": "right", "by": "Bob", "comment": "", "at": at}
    assert [(one["kind"], one["verdict"], one["why"]) for one in after["transitions"][2:]] == [
        ("feedback", "false", "an open door"),
        ("feedback", "right", ""),
    ]
    assert [(word.account, word.rule, word.alert_id, word.verdict) for word in words] == [
        ("farm-7", "climate/TooHot", "a1", "false"),
        ("farm-7", "climate/TooHot", "a1", "right"),
    ]


async def test_a_silence_is_made_listed_and_ended(service: HttpService) -> None:
    async with service.client("seven") as http:
        silence = await done(service, http, "/v1/silences", **SILENCE)
        service.alert("a1", account="farm-7")
        (alert,) = (await http.get("/v1/alerts")).json()["alerts"]
        (listed,) = (await http.get("/v1/silences")).json()["silences"]
        await done(service, http, f"/v1/silences/{silence}/end")
        standing = (await http.get("/v1/silences")).json()["silences"]
        (ended,) = (await http.get("/v1/silences?ended=true")).json()["silences"]

    assert alert["muted"]["silence"] == silence == listed["id"]
    assert (listed["is_active"], listed["matchers"], listed["by"]) == (True, SILENCE["matchers"], "Ada")
    assert standing == []
    assert ended["to"] == "2026-11-23T10:00:00Z"


async def test_alerts_are_found_by_rule_label_and_time(service: HttpService) -> None:
    service.alert("a1", account="farm-7")
    service.clock.now_ns += 60 * NS
    service.alert("a2", account="farm-7", labels={"severity": "critical", "team": "x"})

    async def ids(query: str) -> list[str]:
        async with service.client("seven") as http:
            return [alert["id"] for alert in (await http.get(f"/v1/alerts?{query}")).json()["alerts"]]

    assert await ids("rule=climate/TooHot") == ["a2", "a1"]
    assert await ids("rule=climate/Other") == []
    assert await ids("label=severity=critical&label=team=x") == ["a2"]
    assert await ids("label=severity=critical&label=team=y") == []
    assert await ids("from=2026-11-23T10:00:01Z") == ["a2"]
    assert await ids("to=2026-11-23T10:00:01Z") == ["a1"]


async def test_transitions_are_streamed_as_server_sent_events(service: HttpService) -> None:
    service.alert("a1", account="farm-7")
    service.alert("x", account="farm-8")
    service.alert("a1", "resolved", account="farm-7")
    async with service.client("seven") as http:
        whole = await http.get("/v1/alerts/stream?follow=false")
        rest = await http.get("/v1/alerts/stream?follow=false", headers={"last-event-id": "1"})

    assert whole.headers["content-type"].startswith("text/event-stream")
    events = [dict(line.split(": ", 1) for line in event.splitlines()) for event in whole.text.strip().split("\n\n")]
    assert [(event["event"], event["id"]) for event in events] == [("firing", "1"), ("resolved", "3")]
    assert orjson.loads(events[1]["data"])["status"] == "resolved"
    assert rest.text.startswith("event: resolved")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/alerts/a1/ack", ACK, 404),
        ("/v1/alerts/a1/unack", {"by": "Ada"}, 404),
        ("/v1/alerts/a1/feedback", FEEDBACK, 404),
        ("/v1/silences/s1/end", {}, 404),
    ],
)
async def test_an_account_neither_sees_nor_changes_what_is_anothers(
    service: HttpService, path: str, body: dict[str, Any], status: int
) -> None:
    service.alert("a1", account="farm-7")
    async with service.client("seven") as http:
        silence = await done(service, http, "/v1/silences", **SILENCE)
    async with service.client("eight") as http:
        answer = await http.post(path.replace("s1", silence), json=body)
        seen = [(await http.get(of)).text for of in ("/v1/alerts/a1", "/v1/silences?ended=true", "/v1/alerts")]
        events = await http.get("/v1/alerts/stream?follow=false")

    assert answer.status_code == status
    assert not any("TooHot" in text or "new pipes" in text for text in seen)
    assert events.text == ""


@pytest.mark.parametrize(
    ("token", "path", "body", "status", "told"),
    [
        ("reader", "/v1/alerts/a1/ack", ACK, 403, "write"),
        ("reader", "/v1/silences", SILENCE, 403, "write"),
        ("reader", "/v1/alerts/a1/feedback", FEEDBACK, 403, "write"),
        ("seven", "/v1/alerts/a1/feedback", FEEDBACK | {"verdict": "maybe"}, 400, "'false' or 'right'"),
        ("seven", "/v1/alerts/a2/ack", ACK, 400, "has resolved"),
        ("seven", "/v1/alerts/a1/ack", {"by": "Ada"}, 400, "why"),
        ("seven", "/v1/silences", SILENCE | {"matchers": []}, 400, "matchers"),
        ("seven", "/v1/silences", SILENCE | {"matchers": ["severity"]}, 400, "is not a matcher"),
        ("seven", "/v1/silences", SILENCE | {"to": "2026-11-23T09:00:00Z"}, 400, "it is after `from`"),
        ("seven", "/v1/silences", SILENCE | {"every": {"days": ["moon"]}}, 400, "is not a day"),
    ],
)
async def test_what_is_not_possible_is_refused_and_appends_nothing(
    service: HttpService, token: str, path: str, body: dict[str, Any], status: int, told: str
) -> None:
    service.alert("a1", account="farm-7")
    service.alert("a2", account="farm-7")
    service.alert("a2", "resolved", account="farm-7")
    async with service.client(token) as http:
        answer = await http.post(path, json=body)

    assert answer.status_code == status
    assert told in answer.text
    assert service.admin.extent(ALERTS).next_offset == 0
