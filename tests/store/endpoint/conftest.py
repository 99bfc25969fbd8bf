"""The fixtures of these tests; their classes are in `timestream_service`."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from scheduled_requests import ingest
from timestream_service import Clock, DirectWriter, Refused, Service, client

from store.catalog.catalog import TableSettings
from store.endpoint import Endpoint, Response
from store.testing import LocalExecutor
from tests.support.lone_store import open_store


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    clock = Clock()
    templates = {("farm", "readings"): TableSettings(from_config=True, zone="{greenhouse}/{zone}")}
    store = open_store(tmp_path / "store", memory_limit_bytes=64 << 20, templates=templates, clock_ns=clock)
    writer = DirectWriter(store, clock)
    executor = LocalExecutor(store.whole.readable)
    endpoint = Endpoint(store, writer, executor, clock_ns=clock, refusals=(Refused,), monotonic_ns=clock)
    yield Service(store, clock, writer, endpoint)
    store.close()
    executor.close()


@pytest.fixture
def table(service: Service) -> Service:
    """The service with database `db` and table `t`, 6 hours in memory."""
    service.ok("CreateDatabase", DatabaseName="db")
    service.ok("CreateTable", DatabaseName="db", TableName="t")
    return service


@pytest.fixture
def url(service: Service) -> Iterator[str]:
    """The address of the service."""
    loop = asyncio.new_event_loop()
    looper = threading.Thread(target=loop.run_forever)
    looper.start()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            account = headers["authorization"].partition("Credential=")[2].partition("/")[0]
            future: Future[Response] = asyncio.run_coroutine_threadsafe(
                service.endpoint.handle(headers["x-amz-target"], headers, body, account, None, service.buckets), loop
            )
            answer = future.result(30)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    serving.join()
    loop.call_soon_threadsafe(loop.stop)
    looper.join()
    loop.close()


@pytest.fixture
def write(url: str) -> Iterator[Any]:
    made = client("timestream-write", url)
    yield made
    made.close()


@pytest.fixture
def query(url: str) -> Iterator[Any]:
    made = client("timestream-query", url)
    yield made
    made.close()


@pytest.fixture
def made(service: Service, write: Any, tmp_path: Path) -> Any:
    """The client for writing, with the tables `t` and `sums`, and a bucket for reports."""
    service.buckets = {"reports": tmp_path / "reports"}
    write.create_database(DatabaseName="db")
    for table in ("t", "sums"):
        write.create_table(DatabaseName="db", TableName=table)
    ingest(write, 2.0, 30)
    ingest(write, 4.0, 40)
    return write
