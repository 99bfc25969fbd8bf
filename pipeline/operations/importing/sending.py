"""Sends converted chunks to a server, some at once, and notes each in the journal when all of its rows are stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.operations.client import Client
from pipeline.operations.importing.journal import Journal, Outcomes, rows_of
from pipeline.operations.importing.patience import Patience
from pipeline.operations.importing.plan import TIME
from pipeline.operations.importing.row_hashes import row_hashes

Int64s = npt.NDArray[np.int64]

ARROW = "application/vnd.apache.arrow.stream"
AT_ONCE = 3  # the server converts one request while it stores another
REQUEST_BYTES = 12 << 20
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Converted rows: the `number`th part `of` a file or, where they are sorted, of all (SORTED).

    files        the number of the file of each row
    row_numbers  of each row in its file, from 1
    """

    of: int
    number: int
    rows: pa.Table
    files: Int64s
    row_numbers: Int64s


class Sender:
    """Sends chunks in the background. A context manager; at its end all are sent, or the first error is raised."""

    def __init__(
        self,
        server: Client,
        table: str,
        journal: Journal,
        sent: Callable[[int], None],
        *,
        create: bool,
        patience: Patience,
    ) -> None:
        """`sent` is called with the number of rows of each chunk."""
        self._server = server
        self._parameters = [("table", table), *([("create", "true")] if create else [])]
        self._journal = journal
        self._sent = sent
        self._patience = patience
        self._threads = ThreadPoolExecutor(AT_ONCE)
        self._going: set[Future[None]] = set()
        self._is_ending = threading.Event()  # nothing is sent again any more

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        try:
            if kind is None:
                self._collect(0)
        finally:
            self._is_ending.set()
            self._threads.shutdown(cancel_futures=True)
            self._journal.save()

    def send(self, chunk: Chunk) -> None:
        """Send a chunk, or wait until one that is being sent is stored. Raises what sending raised."""
        self._collect(AT_ONCE)
        self._going.add(self._threads.submit(self._send, chunk))

    def _collect(self, most: int) -> None:
        while self._going and len(self._going) >= max(most, 1):
            done, self._going = wait(self._going, return_when=FIRST_COMPLETED)
            for each in done:
                each.result()

    def _send(self, chunk: Chunk) -> None:
        rows = chunk.rows
        times = rows[TIME].combine_chunks().fill_null(0).to_numpy(zero_copy_only=False)
        order = np.argsort(times, kind="stable")
        is_sorted = bool((times[1:] >= times[:-1]).all())
        ordered = rows if is_sorted else rows.take(pa.array(order))
        outcomes, taken = Outcomes(), np.ones(len(rows), np.bool_)
        for begin, part in pieces(ordered):
            places = order[begin : begin + len(part)]
            taken[enter(self._stored(part), chunk, places, outcomes)] = False
        noted = rows_of(times[taken], row_hashes(rows)[taken], chunk.files[taken])
        self._journal.note(chunk.of, chunk.number, noted, outcomes)
        self._sent(len(rows))

    def _stored(self, rows: pa.Table) -> Mapping[str, Any]:
        """The answer for these rows; they are sent again while the server is away."""
        body = encoded(rows)

        def send() -> Mapping[str, Any]:
            found: Mapping[str, Any] = self._server.send(
                "v1", "import", parameters=self._parameters, body=body, kind=ARROW
            )
            return found

        return self._patience.ask(send, self._is_ending)


def enter(answer: Mapping[str, Any], chunk: Chunk, places: Int64s, outcomes: Outcomes) -> Int64s:
    """Enter what became of the rows of a chunk at these places; returns the places of those that were rejected."""
    begin = 0
    for run in answer["runs"]:
        files = chunk.files[places[begin : begin + run["rows"]]]
        begin += run["rows"]
        for number, count in zip(*(of.tolist() for of in np.unique_counts(files)), strict=True):
            outcomes.count(number, run["outcome"], count)
    rejected: list[Int64s] = [places[:0]]
    for entry in answer["rejected"]:
        at = places[entry["rows"]]
        rejected.append(at)
        for number in np.unique(chunk.files[at]).tolist():
            of_file = at[chunk.files[at] == number]
            outcomes.reject(number, entry["reason"], np.sort(chunk.row_numbers[of_file]).tolist())
    return np.concatenate(rejected)


def pieces(rows: pa.Table) -> Sequence[tuple[int, pa.Table]]:
    """The rows in parts of about `REQUEST_BYTES`, with the place of the first of each."""
    step = max(1, len(rows) * REQUEST_BYTES // max(rows.nbytes, 1))
    return [(begin, rows.slice(begin, step)) for begin in range(0, len(rows), step)]


def encoded(rows: pa.Table) -> bytes:
    """The body of a request."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=_COMPRESSED) as stream:
        stream.write_table(rows.combine_chunks())
    found: bytes = sink.getvalue().to_pybytes()
    return found
