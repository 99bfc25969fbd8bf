"""A token does what its role allows, and is told which role the rest needs."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pipeline.config.roles import Role
from tests.support.http_service import HttpService

TOKENS = {f"token-that-may-{role}": "farm-7" for role in Role}
ROLES = {f"token-that-may-{role}": role for role in Role}


@pytest.fixture
async def by_role(tmp_path: Path) -> AsyncIterator[HttpService]:
    made = HttpService(tmp_path, TOKENS, ROLES)
    made.clock.now_ns = time.time_ns()  # of which signatures are
    async with made.app.router.lifespan_context(made.app):
        yield made
    made.close()


async def call(service: HttpService, role: str, operation: str, **request: object) -> httpx.Response:
    """One operation of Timestream, signed with the token of this role."""
    body = json.dumps(request).encode()
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"Timestream_20181101.{operation}"}
    signing = AWSRequest("POST", "http://streamgauge.test/", headers=headers, data=body)
    SigV4Auth(Credentials("farm-7", f"token-that-may-{role}"), "timestream", "us-east-1").add_auth(signing)
    async with service.client() as http:
        return await http.post("/", content=body, headers=dict(signing.headers.items()))


@pytest.mark.parametrize("role", ["read", "write", "admin"])
async def test_every_role_asks(by_role: HttpService, role: str) -> None:
    async with by_role.client(f"token-that-may-{role}") as http:
        answers = [
            await http.get("/v1/zones"),
            await http.get("/v1/dead-letters"),
            await http.post("/v1/query", json={"sql": "SELECT 1"}),
            await call(by_role, role, "Query", QueryString="SELECT 1"),
            await call(by_role, role, "ListDatabases"),
        ]

    assert [answer.status_code for answer in answers] == [200] * 5


@pytest.mark.parametrize(("role", "status"), [("read", 403), ("write", 200), ("admin", 200)])
async def test_who_writes_may_add(by_role: HttpService, role: str, status: int) -> None:
    async with by_role.client(f"token-that-may-{role}") as http:
        replay = await http.post("/v1/dead-letters/replay", json={"reason": "no_route"})
        body = {"table": "db.none", "measure": "m", "type": "double"}
        retype = await http.post("/v1/measures/retype", json=body)
    create = await call(by_role, role, "CreateDatabase", DatabaseName="db")

    assert (replay.status_code, create.status_code) == (status, status)
    assert retype.status_code == (403 if role == "read" else 404)


@pytest.mark.parametrize(("role", "status"), [("read", 403), ("write", 403), ("admin", 200)])
async def test_only_an_admin_removes(by_role: HttpService, role: str, status: int) -> None:
    await call(by_role, "admin", "CreateDatabase", DatabaseName="db")

    assert (await call(by_role, role, "DeleteDatabase", DatabaseName="db")).status_code == status


async def test_a_refusal_names_the_role_that_is_needed(by_role: HttpService) -> None:
    """A problem document, or Timestream's AccessDeniedException."""
    async with by_role.client("token-that-may-read") as http:
        problem = (await http.post("/v1/dead-letters/replay", json={"reason": "no_route"})).json()
    denied = (await call(by_role, "write", "DeleteTable", DatabaseName="db", TableName="t")).json()

    assert (problem["status"], problem["role"]) == (403, "write")
    assert problem["detail"] == "this token has the role read; a replay needs write"
    assert denied["__type"] == "com.amazonaws.timestream.v20181101#AccessDeniedException"
    assert "not authorized to perform: timestream:DeleteTable" in denied["message"]
    assert "role write; admin is needed" in denied["message"]
