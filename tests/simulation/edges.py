"""What takes the place of the host while a simulation runs: clocks, randomness, fsync, threads, DuckDB, Delta, HTTP.

Everything is put back afterwards. DuckDB is the real one, but one for all simulations, because it takes 10 ms to open.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import random
import secrets
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from unittest import mock

import duckdb
import httpx
import pyarrow as pa

import pipeline.alerting.receivers.http
import pipeline.alerting.receivers.kinds
import pipeline.stream.partitions.manager
import store.engine.duck
import store.magnetic.parquet
import store.magnetic.tier
import store.memory.tier
import store.open_tables
import store.reading.snapshot
import store.store
import store.table.flush
import store.table.standing
from pipeline.alerting.archive.database import ArchiveFile
from store.engine.duck import Duck, quote_text
from store.magnetic.data_files import FolderFiles
from tests.simulation.delta import ModelDelta

if TYPE_CHECKING:
    from tests.simulation.world import World

MEMORY_BYTES = 1 << 29
USED_BYTES = 1 << 20
RUNNERS = (store.reading.snapshot, store.table.flush, store.table.standing, store.memory.tier)


@cache
def home() -> Path:
    """The folder of all simulations of this process; removed by `leave`."""
    return Path(tempfile.mkdtemp(prefix="simulation-"))


@cache
def _duck() -> Duck:
    connect = duckdb.connect

    def for_few_rows(*arguments: Any, **named: Any) -> duckdb.DuckDBPyConnection:
        connection = connect(*arguments, **named)
        connection.execute("PRAGMA disable_optimizer")  # it takes longer than it saves
        return connection

    with mock.patch("os.cpu_count", return_value=1), mock.patch.object(duckdb, "connect", for_few_rows):
        return Duck(home(), MEMORY_BYTES)


def leave() -> None:
    """Remove what is left of all simulations."""
    _duck().close()
    _duck.cache_clear()
    shutil.rmtree(home(), ignore_errors=True)
    home.cache_clear()


class SharedDuck:
    """DuckDB as one store has it."""

    def __init__(self, _readable: object, _memory_bytes: int) -> None:
        self.cursor = _duck().cursor

    def table_bytes(self) -> int:
        """Far below a usual limit, and always above one of a byte: to count them takes 1 ms."""
        return USED_BYTES

    def close(self) -> None:
        """The next one uses it, too."""


def _run(cursor: Any, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
    """As `store.engine.duck.run`, in two thirds of the time for few rows."""
    with store.engine.duck.errors_mapped():
        return cursor.execute(sql, list(parameters) or None).to_arrow_table()


def _load(cursor: Any, target: str, rows: pa.Table) -> None:
    """As `store.engine.duck.load`, in half the time for few rows."""
    values = ", ".join(f"({', '.join(map(_literal, row.values()))})" for row in rows.to_pylist())
    cursor.execute(f"INSERT INTO {target} ({', '.join(map(_quoted, rows.column_names))}) VALUES {values}")


def _quoted(name: str) -> str:
    return f'"{name}"'


def _literal(value: Any) -> str:
    return "NULL" if value is None else quote_text(value) if isinstance(value, str) else repr(value)


class OneByOne:
    """A pool without threads."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, work: Callable[..., Any], *items: Any) -> Iterator[Any]:
        return map(work, *items)


class NoClient:
    """Nothing is posted with it."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    async def aclose(self) -> None:
        pass

    async def addresses(self, _url: object) -> list[str]:
        return []


@contextlib.contextmanager
def simulated(world: World, *, real_delta: bool = False) -> Iterator[None]:
    """Run in this world."""
    clocks, rng = world.loop.clocks, world.rng("secrets")
    http = pipeline.alerting.receivers.http
    sync = world.disk.fsync
    write_file = store.magnetic.parquet.write_file

    def write(*arguments: Any) -> Any:
        world.meanwhile()
        written = write_file(*arguments)
        world.meanwhile()
        return written

    replaced: list[tuple[Any, str, Any]] = [
        (os, "fsync", sync),
        (store.store, "make_all_durable", world.disk.sync_all),
        (time, "time_ns", lambda: clocks.wall_ns),
        (time, "time", lambda: clocks.wall_ns / 1e9),
        (time, "monotonic_ns", lambda: clocks.monotonic_ns),
        (time, "monotonic", lambda: clocks.monotonic_ns / 1e9),
        (time, "perf_counter", lambda: clocks.monotonic_ns / 1e9),
        (time, "sleep", lambda _seconds: None),
        (secrets, "token_hex", lambda count=16: rng.randbytes(count).hex()),
        (secrets, "token_bytes", rng.randbytes),
        (secrets, "randbelow", rng.randrange),
        (store.magnetic.tier, "_RNG", random.Random(0)),
        (store.store, "Duck", SharedDuck),
        *((module, "run", _run) for module in RUNNERS),
        (store.memory.tier, "load", _load),
        (store.open_tables, "ThreadPoolExecutor", OneByOne),
        (store.table.flush, "write_file", write),
        (FolderFiles, "written_ns", lambda _self, file: world.written_ns.setdefault(file.path, clocks.wall_ns)),
        (pipeline.stream.partitions.manager, "process_began_ns", lambda: 0),
        (pipeline.alerting.receivers.kinds, "trust_of", lambda *_: None),
        (http, "CheckedTransport", NoClient),
        (http, "post", world.receivers.post),
        (httpx, "AsyncClient", NoClient),
        (ArchiveFile, "read", lambda archive, sql, values=(): archive._writer.execute(sql, values).fetchall()),
    ]
    if not real_delta:
        replaced.append((store.magnetic.tier, "DeltaHandle", ModelDelta))
    replaced += world.knobs.constants
    before = [(owner, name, owner.__dict__[name]) for owner, name, _ in replaced]
    collects = gc.isenabled()
    told = warnings.filters[:]
    try:
        for owner, name, value in replaced:
            setattr(owner, name, value)
        gc.disable()
        warnings.simplefilter("ignore")  # of DuckDB, about a copy
        logging.disable(logging.CRITICAL if not world.is_told else logging.NOTSET)
        yield
    finally:
        logging.disable(logging.NOTSET)
        warnings.filters[:] = told  # type: ignore[index]  # it is a list
        for owner, name, value in before:
            setattr(owner, name, value)
        if collects:
            gc.enable()
