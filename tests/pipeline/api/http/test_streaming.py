"""Large responses are sent while they are made: as fast as the client reads, and never as if they were complete."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
from test_hanging_up import WITHIN_S, asked, served

from pipeline.api.http import results, streaming
from store.processes.job import Answer, Job
from store.processes.limits import QueryLimits
from store.reading.insights import Insights
from store.reading.lending import Lender
from store.sql import ResultColumn, ResultSet, ScalarType
from store.sql.errors import QueryEnded
from tests.support.waiting import wait_for

PART = b"x" * 100_000


class Parts:
    """An executor whose every answer has these parts, and fails after them if it has to."""

    limits = QueryLimits()

    def __init__(self, count: int, failure: Exception | None = None) -> None:
        self.count = count
        self.failure = failure
        self.made = 0
        self.has_ended = False

    @contextmanager
    def run(self, lender: Lender, job: Job) -> Iterator[Answer]:
        try:
            yield Answer(1, False, Insights(), self._parts())
        finally:
            self.has_ended = True

    def _parts(self) -> Iterator[bytes]:
        for _ in range(self.count):
            self.made += 1
            yield PART
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        pass


@contextmanager
def asked_of(folder: Path, parts: Parts) -> Iterator[int]:
    """The port of a service with this executor."""
    with served(folder) as (service, port):
        app = service.app
        app.state.services = replace(app.state.services, executor=parts)
        yield port


def ask(port: int) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{port}/v1/query", json={"sql": "VALUES 1"}, timeout=WITHIN_S)


def filled(port: int, parts: Parts) -> socket.socket:
    """A connection whose client does not read, when nothing more is made for it."""
    connection = asked(port, "POST", "/v1/query", {"sql": "VALUES 1"})
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    seen = [-1, -2]
    wait_for(lambda: seen.append(parts.made) or seen[-1] == seen[-3] > 0, "it waits for its client", every_s=0.3)
    return connection


def test_a_response_is_whole_whether_it_is_small_or_large(tmp_path: Path) -> None:
    for count in (0, 1, 200):
        with asked_of(tmp_path / str(count), Parts(count)) as port:
            answer = ask(port)

        assert answer.content == PART * count
        assert ("content-length" in answer.headers) == (count < 200)


def test_no_more_is_made_than_the_client_reads(tmp_path: Path) -> None:
    parts = Parts(10_000)
    with asked_of(tmp_path, parts) as port:
        connection = filled(port, parts)

        assert parts.made * len(PART) < 20_000_000  # what the kernel holds for both sides included
        connection.close()
        wait_for(lambda: parts.has_ended, "it ends when its client hangs up")


def test_a_client_that_does_not_read_is_disconnected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "STALLED_AFTER_S", 0.5)
    parts = Parts(10_000)
    with asked_of(tmp_path, parts) as port:
        connection = filled(port, parts)

        wait_for(lambda: parts.has_ended, "it is given up")
        connection.close()


def test_no_part_is_large_however_wide_the_rows_are(tmp_path: Path) -> None:
    wide = ResultSet(
        (ResultColumn("x", ScalarType.VARCHAR),), pa.table({"c0": [secrets.token_hex(500_000) for _ in range(3)]})
    )

    for form in results.FORMATS:
        parts = list(results.parts(wide, form))
        assert max(map(len, parts)) <= results.PART_BYTES
        assert len(b"".join(parts)) > (1_500_000 if form == "parquet" else 3_000_000)


def test_a_failure_is_told_while_it_can_be_and_else_cuts_the_response_off(tmp_path: Path) -> None:
    failure = QueryEnded("The query ended because its process was killed or failed; try again")
    with asked_of(tmp_path / "small", Parts(5, failure)) as port:
        answer = ask(port)

    assert (answer.status_code, answer.json()["detail"]) == (503, str(failure))
    with asked_of(tmp_path / "large", Parts(200, failure)) as port, pytest.raises(httpx.RemoteProtocolError):
        ask(port)
