"""A client that closes its connection ends its query, whichever path it asked on."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pipeline.api.http.server import HttpServer
from pipeline.api.http.slots import QuerySlots
from pipeline.base.ports import listen
from store.engine import interruption
from tests.support.http_service import HEAVY, HttpService
from tests.support.waiting import wait_for

WITHIN_S = 60


@contextmanager
def served(folder: Path, tokens: dict[str, str] | None = None) -> Iterator[tuple[HttpService, int]]:
    """A service on a port of its own."""
    service = HttpService(folder, tokens)
    server = HttpServer(service.app, listen("127.0.0.1", 0), lambda _: None)
    server.start()
    yield service, server.address[1]
    server.stop()
    service.close()


def asked(port: int, method: str, path: str, body: object = None, **headers: str) -> socket.socket:
    """A connection on which a request was sent, and no answer read."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(data)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    connection = socket.create_connection(("127.0.0.1", port), WITHIN_S)
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + data)
    return connection


def running(slots: QuerySlots, account: str = "default") -> int:
    return sum(query.ran_s is not None for query in slots.active(account))


def test_sql_ends_when_its_client_hangs_up(tmp_path: Path) -> None:
    """On our own path and on Timestream's; and a third account's cheap query is not kept waiting."""
    tokens = {"token-a": "a", "token-b": "b", "token-c": "c"}
    with served(tmp_path, tokens) as (service, port):
        slots = service.app.state.services.queries
        heavy = [
            asked(port, "POST", "/v1/query", {"sql": HEAVY}, Authorization=f"Bearer token-{account}")
            for account in ("a", "a", "b", "b")
        ]
        wait_for(lambda: running(slots, "a") + running(slots, "b") == 3, "as many heavy queries run as may")

        answer = httpx.post(
            f"http://127.0.0.1:{port}/v1/query",
            json={"sql": "SELECT 7 AS x"},
            headers={"authorization": "Bearer token-c"},
            timeout=WITHIN_S,
        )

        assert answer.json()["rows"] == [[7]]
        assert running(slots, "a") + running(slots, "b") == 3
        for connection in heavy:
            connection.close()
        wait_for(lambda: not slots.active("a") and not slots.active("b"), "abandoned queries end")


def test_timestreams_query_ends_when_its_client_hangs_up_or_it_is_cancelled(tmp_path: Path) -> None:
    with served(tmp_path) as (service, port):
        slots = service.app.state.services.queries
        target = {"X_Amz_Target": "Timestream_20181101.Query"}
        heavy = [asked(port, "POST", "/", {"QueryString": HEAVY}, **target) for _ in range(2)]
        wait_for(lambda: running(slots) == 2, "the heavy queries run")

        heavy[0].close()
        wait_for(lambda: len(slots.active("default")) == 1, "the abandoned query ends")
        query_id = slots.active("default")[0].id
        httpx.post(
            f"http://127.0.0.1:{port}/",
            json={"QueryId": query_id},
            headers={"x-amz-target": "Timestream_20181101.CancelQuery"},
            timeout=WITHIN_S,
        )

        assert b"ConflictException" in heavy[1].recv(65536)
        heavy[1].close()


@pytest.mark.parametrize("path", ["/v1/zones", "/v1/devices", "/v1/averages?zone=z&measure=t"])
def test_lists_and_averages_end_when_their_client_hangs_up(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, ended = threading.Event(), threading.Event()

    def endless(*_: object) -> None:
        began.set()
        try:
            while True:
                interruption.check()
        finally:
            ended.set()

    with served(tmp_path) as (service, port):
        directory = service.app.state.services.directory
        for name in ("zones", "devices", "members"):
            monkeypatch.setattr(directory, name, endless)
        connection = asked(port, "GET", path)
        assert began.wait(WITHIN_S)

        connection.close()

        assert ended.wait(WITHIN_S)
