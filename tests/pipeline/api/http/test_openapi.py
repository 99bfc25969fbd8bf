"""The OpenAPI document against the application: every route is in it, and every answer is one that it describes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from jsonschema import Draft202012Validator, FormatChecker

from pipeline.api.http.checkup import Checkup
from pipeline.api.http.routes import query
from pipeline.base.clock import Step, Steps
from pipeline.config.roles import Role
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.rule_book import RuleBook
from pipeline.stream.rule_files import Reloaded
from rules import RuleFileError, RuleSet
from rules.errors import Problem as RuleProblem
from rules.files.parse import parse_rules
from tests.support.detector_service import learnt_by
from tests.support.http_service import HEAVY, NOW_NS, NS, HttpService, queries_once

READER = {"authorization": "Bearer token-of-a-reader"}
RULES = """
groups:
  - name: climate
    table: farm.climate
    rules: [{alert: TooHot, measure: temperature, range: {max: 32}}, {alert: No, measure: humidity, range: {max: 1}}]
"""
TIMESTREAM = {"x-amz-target": "Timestream_20181101.ListDatabases"}
CUT = b'{"temperature": 2'
SOME_BODIES: list[tuple[dict[str, Any], int]] = [
    ({"content": b"{", "headers": {"content-length": "99999999"}}, 413),
    ({"content": b"{}", "headers": {"content-type": "text/html"}}, 415),
    ({"json": {"nothing": 1}}, 400),
]

FINDING = {"check": "disk", "level": "warn", "what": "3 GiB are free", "remedy": "make room"}
Call = tuple[str, str, dict[str, Any], int]
FORMATS = FormatChecker(formats=[])
FORMATS.checks("date-time", raises=ValueError)(lambda text: text is None or datetime.fromisoformat(text))


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[HttpService]:
    """A service that has something of everything, and whose temperatures had another unit once."""
    earlier = HttpService(tmp_path, measures={"temperature": {"unit": "fahrenheit"}})
    async with earlier.app.router.lifespan_context(earlier.app):
        await earlier.publish("greenhouse/eu/gh-1/north/s1", {"ts": NOW_NS - 3 * NS, "temperature": 68})
    earlier.store.flush()
    earlier.close()
    service = HttpService(
        tmp_path, {"token": "default", "token-of-a-reader": "default"}, {"token-of-a-reader": Role.READ}
    )
    found, problems = parse_rules(RULES, "rules.yaml")
    assert not problems
    steps = Steps("worker")
    steps.note(Step(NOW_NS - NS, NOW_NS))
    book = RuleBook(RuleSet(tuple(found)), OwnedPartitions(0), lambda _: {"farm.water"})
    service.app.state.services = replace(
        service.app.state.services,
        rules=book,
        steps=steps,
        detectors=learnt_by(service, "default"),
        doctor=Checkup(lambda: [FINDING]),
    )
    async with service.app.router.lifespan_context(service.app):
        topic = "greenhouse/eu/gh-1/north/s1"
        await service.publish(topic, {"ts": NOW_NS - NS, "temperature": 20, "level": "12"})
        await service.publish(topic, {"ts": NOW_NS - 2 * NS, "temperature": "hot", "level": 3}, CUT, b"\xff")
        await service.publish("elsewhere", {"x": 1})
        service.alert("alert-1")
        service.alert("alert-1", "resolved")
        service.alert("alert-2", zone="gh-1/south")
        yield service
    service.close()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    service = HttpService(tmp_path_factory.mktemp("described"))
    try:
        return service.app.openapi()
    finally:
        service.close()


def calls(letter_id: str) -> list[Call]:
    """Every operation, asked well and badly, with the status that is expected."""
    several = "/v1/averages?zone=gh-1/north&measure=temperature&measure=level"
    gets = {
        "/v1/zones": 200,
        "/v1/zones?tabel=x": 400,
        "/v1/zones/gh-1%2Fnorth/averages?measure=temperature": 200,
        "/v1/zones/gh-1/north/averages?measure=temperature&bin=1d&tz=Europe/Berlin": 200,
        "/v1/zones/nowhere/averages?measure=temperature": 404,
        "/v1/zones/gh-1/north/averages?measure=level": 400,
        "/v1/averages?zone=gh-1/north&measure=temperature&bin=5m": 200,
        several: 400,
        "/v1/latest": 200,
        "/v1/live?follow=false": 200,
        "/v1/live?of=dust": 400,
        "/v1/series?q=s1": 200,
        "/v1/series?after=x": 400,
        "/v1/messages?follow=false": 200,
        "/v1/messages?mqtt_topic=a%23": 400,
        "/v1/tables": 200,
        "/v1/dimensions": 200,
        "/v1/dimensions?top=-1": 400,
        "/v1/workers": 200,
        "/v1/doctor": 200,
        "/v1/usage": 200,
        "/v1/latest?zone=nowhere": 404,
        "/v1/latest?limit=0": 400,
        "/v1/alerts": 200,
        "/v1/alerts?limit=1": 200,
        "/v1/alerts?status=burning": 400,
        "/v1/alerts/deliveries": 200,
        "/v1/alerts/deliveries?before=x": 400,
        "/v1/alerts/deliveries/alert-1.firing": 200,
        "/v1/alerts/deliveries/none": 404,
        "/v1/alerts?label=x": 400,
        "/v1/alerts/alert-1": 200,
        "/v1/alerts/none": 404,
        "/v1/alerts/stream?follow=false": 200,
        "/v1/silences": 200,
        "/v1/rules": 200,
        "/v1/detectors?series=1": 200,
        "/v1/detectors?series=x": 400,
        "/v1/rules/schema": 200,
        "/v1/rules/files": 200,
        "/v1/queries": 200,
        "/v1/devices": 200,
        "/v1/devices?limit=0": 400,
        "/v1/me": 200,
        "/v1/measures": 200,
        "/v1/functions": 200,
        "/v1/import?table=farm.climate": 200,
        "/v1/import?table=farm.none": 200,
        "/v1/measures?table=farm.none": 404,
        "/v1/dead-letters": 200,
        "/v1/dead-letters?limit=1": 200,
        "/v1/dead-letters?reason=boredom": 400,
        f"/v1/dead-letters/{letter_id}": 200,
        "/v1/dead-letters/none": 404,
        "/healthz": 200,
        "/readyz": 200,
        "/metrics": 200,
        "/": 200,
    }
    retype = {"table": "farm.climate", "measure": "level", "type": "double"}
    unit = {"table": "farm.climate", "measure": "temperature", "unit": "celsius"}
    posts: list[tuple[str, Any, int]] = [
        ("/v1/alerts/deliveries/retry", {"all_failed": True}, 200),
        ("/v1/alerts/alert-2/ack", {"by": "Ada", "why": "x"}, 200),
        ("/v1/alerts/alert-2/unack", {"by": "Ada"}, 200),
        ("/v1/alerts/alert-2/feedback", {"by": "Ada", "verdict": "false"}, 200),
        ("/v1/alerts/none/ack", {"by": "Ada", "why": "x"}, 404),
        ("/v1/silences", {"matchers": ["a=b"], "by": "Ada", "why": "x"}, 200),
        ("/v1/silences/none/end", {}, 404),
        ("/v1/alerts/deliveries/retry", {"id": "none"}, 404),
        ("/v1/rules/check", {"text": RULES}, 200),
        ("/v1/rules/check", {"text": "groups: 7"}, 200),
        ("/v1/rules/backtest", {"text": "groups: 7"}, 400),
        ("/v1/devices/forget", {"table": "farm.climate", "dimensions": {"sensor": "s1"}}, 200),
        ("/v1/devices/forget", {"table": "farm.climate", "dimensions": {"sensor": "none"}}, 404),
        ("/v1/measures/retype", retype, 200),
        ("/v1/measures/retype", {**retype, "table": "farm.none"}, 404),
        ("/v1/measures/unit", unit, 200),
        ("/v1/measures/unit", {**unit, "measure": "none"}, 400),
        ("/v1/dead-letters/replay", {"ids": [letter_id]}, 200),
        ("/v1/dead-letters/replay", {"reason": "no_route"}, 200),
        ("/v1/dead-letters/replay", {"ids": ["none"]}, 404),
        *(
            ("/v1/query", {"sql": 'SELECT * FROM "farm"."climate"', "format": form}, 200)
            for form in query.results.FORMATS
        ),
        ("/v1/query", {"sql": "SELECT 1, 'x', true, null, nan(), now(), 1d"}, 200),
        ("/v1/queries/none/cancel", None, 404),
        ("/v1/parse", {"mqtt_topic": "greenhouse/eu/gh-1/north/s1", "payload": {"ts": NOW_NS, "temperature": 1}}, 200),
        ("/v1/parse", {"mqtt_topic": "nowhere", "payload": "1"}, 200),
        ("/v1/parse", {"mqtt_topic": "a/#", "payload": "1"}, 400),
        ("/v1/query", {"sql": "SELEKT"}, 400),
        ("/v1/query", {"sql": 'SELECT * FROM "farm"."none"'}, 400),
    ]
    bodies = [path for path, _, status in posts if status == 200]
    of_roles = [
        "/v1/devices/forget",
        "/v1/alerts/deliveries/retry",
        "/v1/dead-letters/replay",
        "/v1/measures/retype",
        "/v1/measures/unit",
    ]
    anything = {path: body for path, body, status in posts if status == 200}
    return [
        *(("GET", path, {}, status) for path, status in gets.items()),
        *(("POST", path, {"json": body}, status) for path, body, status in posts),
        *(("POST", path, body, status) for path in dict.fromkeys(bodies) for body, status in SOME_BODIES),
        *(("POST", path, {"json": anything[path], "headers": READER}, 403) for path in of_roles),
        *(
            ("GET", path, {"headers": {"authorization": ""}}, 401)
            for path, status in gets.items()
            if path.startswith("/v1") and status == 200
        ),
        ("POST", "/", {"json": {}, "headers": TIMESTREAM}, 403),
        ("POST", "/", {"content": b"{", "headers": {**TIMESTREAM, "content-length": "99999999"}}, 413),
    ]


def operation_at(document: dict[str, Any], method: str, path: str) -> tuple[str, dict[str, Any]]:
    """The operation of the document that a request is for: the path with the fewest variables that fits."""
    fitting = [
        template
        for template in sorted(document["paths"], key=lambda template: (template.count("{"), -len(template)))
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", ".+", re.escape(template)), path)
        and method in document["paths"][template]
    ]
    return f"{method} {fitting[0]}", document["paths"][fitting[0]][method]


def closed(schema: Any) -> Any:
    """The schema, by which an object has no properties but those described."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {"additionalProperties": False} if "properties" in schema else {}
    return {**shut, **{key: closed(part) for key, part in schema.items()}}


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    whole = {**closed(schema), "components": closed(document["components"])}
    return Draft202012Validator(whole, format_checker=FORMATS)


def faults(document: dict[str, Any], answer: httpx.Response) -> Iterator[str]:
    """What the document does not say of an answer."""
    _, operation = operation_at(document, answer.request.method.lower(), answer.request.url.path)
    responses = operation["responses"]
    if str(answer.status_code) not in responses:
        yield f"status {answer.status_code} is not among {sorted(responses)}"
        return
    content = responses[str(answer.status_code)]["content"]
    kind = answer.headers["content-type"].partition(";")[0]
    if kind not in content:
        yield f"content type {kind} is not among {sorted(content)}"
    elif "json" in kind:
        schema = content[kind]["schema"]
        assert schema, "says nothing"
        yield from (error.message for error in validator(document, schema).iter_errors(answer.json()))


async def test_every_answer_is_one_the_document_describes(asked: HttpService, document: dict[str, Any]) -> None:
    """Asked well, badly, with too little of a role, and without a token, of every operation there is."""
    wrong, answered = [], set()
    async with asked.client("token") as http:
        letters = (await http.get("/v1/dead-letters?reason=no_route")).json()["dead_letters"]
        for method, path, given, status in calls(letters[0]["id"]):
            answer = await http.request(method, path, **given)
            found = [f"status {answer.status_code}, not {status}"] if answer.status_code != status else []
            found += faults(document, answer)
            wrong += [f"{method} {path} {status}: {fault} ({answer.text[:300]})" for fault in found]
            if answer.is_success:
                answered.add(operation_at(document, method.lower(), answer.request.url.path)[0])

    assert not wrong, "\n".join(wrong)
    operations = {f"{method} {path}" for path, found in document["paths"].items() for method in found}
    with_their_own_tests = {
        "get /v1/alerts/{alert_id}/explain",
        "get /v1/deletes/{delete_id}",
        "post /v1/deletes",
        "post /",
        "post /v1/import",
        "post /v1/queries/{query_id}/cancel",
        "post /v1/rules/backtest",
        "post /v1/rules/reload",
        "post /v1/silences/{silence_id}/end",
    }
    assert operations - answered == with_their_own_tests


async def test_what_takes_too_long_is_described(
    asked: HttpService, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked.app.state.services.queries, "_timeout_s", 0.0)
    async with asked.client("token") as http:
        answers = [
            await http.post("/v1/query", json={"sql": 'SELECT * FROM "farm"."climate"'}),
            await http.get("/v1/zones/gh-1/north/averages?measure=temperature"),
        ]

    assert [answer.status_code for answer in answers] == [504, 504]
    assert [fault for answer in answers for fault in faults(document, answer)] == []


async def test_the_end_of_a_query_is_described(asked: HttpService, document: dict[str, Any]) -> None:
    """For who ends it, who waits for its answer, and who looks on."""
    async with asked.client("token") as http:
        waiting = asyncio.create_task(http.post("/v1/query", json={"sql": HEAVY}))
        listed = await queries_once(http, "running")
        ended = await http.post(f"/v1/queries/{listed.json()['queries'][0]['id']}/cancel")
        answers = [listed, ended, await waiting]

    assert [answer.status_code for answer in answers] == [200, 200, 409]
    assert [fault for answer in answers for fault in faults(document, answer)] == []


async def test_a_reload_is_described_and_one_of_wrong_files_names_every_problem(
    asked: HttpService, document: dict[str, Any]
) -> None:
    outcomes: list[Reloaded | RuleFileError] = [
        Reloaded("0123456789abcdef", 2, is_new=True, is_in_force=True, needs_restart=("tables",)),
        RuleFileError([RuleProblem("a.yaml", 3, "is wrong"), RuleProblem("b.yaml", None, "cannot be read")]),
    ]

    async def reload() -> Reloaded:
        outcome = outcomes.pop(0)
        if isinstance(outcome, RuleFileError):
            raise outcome
        return outcome

    asked.app.state.services = replace(asked.app.state.services, reload=reload)
    async with asked.client("token") as http:
        answers = [await http.post("/v1/rules/reload") for _ in range(2)]
        answers.append(await http.post("/v1/rules/reload", headers=READER))

    assert [answer.status_code for answer in answers] == [200, 400, 403]
    assert [fault for answer in answers for fault in faults(document, answer)] == []
    assert answers[1].json()["problems"] == ["a.yaml:3: is wrong", "b.yaml: cannot be read"]


async def test_what_is_held_back_while_the_log_is_replayed_is_described(
    asked: HttpService, document: dict[str, Any]
) -> None:
    asked.progress.replay_to = 1 << 40
    async with asked.client("token") as http:
        answers = [await http.get(path) for path in ("/readyz", "/v1/zones", "/v1/alerts")]
        answers.append(await http.post("/", headers=TIMESTREAM))

    assert [answer.status_code for answer in answers] == [503] * 4
    assert [fault for answer in answers for fault in faults(document, answer)] == []


async def test_timestream_answers_as_described(service: HttpService, http: httpx.AsyncClient) -> None:
    unknown = {"x-amz-target": "Timestream_20181101.DescribeDatabase"}
    answers = [
        await http.post("/", json={}, headers=TIMESTREAM),
        await http.post("/", json={"DatabaseName": "none"}, headers=unknown),
        await http.post("/", json={}, headers=unknown),
    ]

    assert [answer.status_code for answer in answers] == [200, 404, 400]
    assert [fault for answer in answers for fault in faults(service.app.openapi(), answer)] == []


def test_every_route_of_the_application_is_described(asked: HttpService, document: dict[str, Any]) -> None:
    """With its path parameters, and in words."""
    routes = {
        (method.lower(), context.path_format)
        for context in iter_route_contexts(asked.app.routes)
        if getattr(context, "include_in_schema", False)
        for method in context.methods
    }

    operations = {(method, path): found for path, of in document["paths"].items() for method, found in of.items()}
    assert set(operations) == routes
    for (_, path), operation in operations.items():
        assert operation["summary"]
        named = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))
        assert all(response["description"] for response in operation["responses"].values())
        assert "422" not in operation["responses"]


def test_every_answer_under_v1_has_an_example_of_its_type(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    named = {
        content["schema"]["$ref"].rpartition("/")[2]
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for kind, content in operation["responses"]["200"]["content"].items()
        if kind == "application/json" and path != "/"
    }

    assert {name for name in named if not schemas[name].get("examples")} == set()
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", ()):
            assert [error.message for error in validator(document, schema).iter_errors(example)] == [], name


def test_every_field_of_an_answer_says_what_it_is(document: dict[str, Any]) -> None:
    """By a description, or by being of a type that has one."""
    asked = {
        content["schema"]["$ref"].rpartition("/")[2]
        for operations in document["paths"].values()
        for operation in operations.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "$ref" in content["schema"]
    }
    silent = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, found in schema.get("properties", {}).items()
        if name not in asked and not {"description", "$ref"} & {*found, *found.get("items", {})}
    ]

    assert silent == []


def test_the_document_says_how_to_sign_in(document: dict[str, Any]) -> None:
    """So that the API page has a way to give a token."""
    under_v1 = [found for path, of in document["paths"].items() if path.startswith("/v1") for found in of.values()]

    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert all(operation["security"] == [{"HTTPBearer": []}] for operation in under_v1)
