"""The HTTP application of `HttpService`, served on a free port, while its stream takes in what is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from pipeline.api.http.server import HttpServer
from pipeline.base.ports import listen
from pipeline.operations.client import Client
from pipeline.operations.importing.comparison import Compared
from pipeline.operations.importing.journal import Journal
from pipeline.operations.importing.mapping import FileMapping
from pipeline.operations.importing.patience import Patience
from pipeline.operations.importing.run import Import
from pipeline.operations.importing.source_files import Source
from tests.support.http_service import HttpService
from tests.support.waiting import wait_for

TAKE_IN_EVERY_S = 0.002


@dataclass
class Noted:
    """The progress of an import."""

    stored: list[int] = field(default_factory=list)
    read_back: list[int] = field(default_factory=list)

    def sent(self, rows: int) -> None:
        self.stored.append(rows)

    def compared(self, rows: int) -> None:
        self.read_back.append(rows)


@dataclass
class ImportService:
    """A server, clients of it, and a folder for journals and files."""

    http: httpx.Client
    server: Client
    folder: Path
    service: HttpService

    def load(
        self, source: Source, table: str = "past.rows", journal: str = "journal", **mapping: Any
    ) -> tuple[Journal, list[Compared]]:
        """Import a source and compare."""
        work = Import(source, FileMapping(**mapping), self.server, table, create=True, patience=Patience(30))
        noted = Journal(self.folder / journal, [(file.path, file.size_bytes) for file in source.files])
        work.send(noted, Noted())
        return noted, work.compare(noted, Noted())

    def rows(self, sql: str) -> pa.Table:
        """The answer to a query."""
        answer = self.http.post("/v1/query", json={"sql": sql, "format": "arrow"})
        assert answer.status_code == 200, answer.text
        return pa.ipc.open_stream(answer.content).read_all()

    def unload(self, select: str, to: str, options: Mapping[str, str]) -> Path:
        """The folder that UNLOAD writes."""
        told = ", ".join(f"{name} = {value}" for name, value in options.items())
        sql = f"UNLOAD ({select}) TO 's3://exports/{to}'" + (f" WITH ({told})" if told else "")
        answer = self.http.post("/", json={"QueryString": sql}, headers={"x-amz-target": "Timestream_20181101.Query"})
        assert answer.status_code == 200, answer.text
        return self.folder / "exports" / to


@contextmanager
def import_service(folder: Path) -> Iterator[ImportService]:
    """The service over an empty store in `folder`."""
    service = HttpService(folder / "server")
    places = {"exports": folder / "exports"}
    service.app.state.services = replace(service.app.state.services, buckets=lambda _: places)
    server = HttpServer(service.app, listen("127.0.0.1", 0), lambda _: None)
    ended = threading.Event()

    def take_in() -> None:
        while not ended.wait(TAKE_IN_EVERY_S):
            service.take_in()

    server.start()
    stream = threading.Thread(target=take_in)
    stream.start()
    url = f"http://127.0.0.1:{server.address[1]}"
    try:
        with httpx.Client(base_url=url, timeout=60) as http, Client(url) as client:
            wait_for(lambda: http.get("/healthz").is_success, "the service answers")
            yield ImportService(http, client, folder, service)
    finally:
        ended.set()
        stream.join()
        server.stop()
        service.close()


def told(journal: Journal) -> Mapping[str, int]:
    """What became of the rows of all files."""
    names = ("rows", "new", "same", "replaced")
    found = {name: sum(getattr(of, name) for of in journal.files) for name in names}
    return {**found, "rejected": sum(of.count for file in journal.files for of in file.rejected.values())}
