"""Handles all kinds of standard output: a terminal, a pipe, a full disk, closed, or unable to write `°`.

Text that the terminal's encoding lacks is escaped; CSV and JSON into a pipe are UTF-8 in every locale. A reader that
has gone is not an error: the command ends as if SIGPIPE had killed it. Any other failure to write is one line on
standard error and exit code 1, in every command.
"""

from __future__ import annotations

import errno
import io
import itertools
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pipeline.base.errors import OutputFailed, ReaderGone

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_CHUNK_LINES = 500


class _Watched(io.FileIO):
    """A file whose errors are raised as ours, whatever prints: click, rich, or this module."""

    def write(self, data: ReadableBuffer, /) -> int | None:  # type: ignore[override]  # None: it would block
        """As in FileIO. Raises OutputFailed."""
        try:
            return super().write(data)
        except OSError as error:
            raise _failed(error) from error


def prepare() -> None:
    """Make every character printable, and let no opened file take the place of a closed stream."""
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None:
            _reserve(number)
        elif number and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and out is sys.__stdout__:
        watched = io.BufferedWriter(_Watched(out.fileno(), "wb", closefd=False))
        by_line = out.line_buffering or out.write_through  # PYTHONUNBUFFERED
        sys.stdout = io.TextIOWrapper(watched, out.encoding, out.errors, line_buffering=by_line)


def finish() -> None:
    """Flush all output. Raises OutputFailed."""
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def give_up() -> None:
    """After a failure: drop pending output, which Python would otherwise try to write again at exit."""
    if sys.stdout is not None and not sys.stdout.closed:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)


def is_terminal() -> bool:
    """Whether a person reads the output."""
    return sys.stdout is not None and sys.stdout.isatty()


def write_lines(lines: Iterable[str], *, utf8: bool = False) -> None:
    """Write each line with an end of line, as they come; `utf8`: in every locale, except on a terminal.

    Raises OutputFailed, as does `write_bytes`.
    """
    out = _out()
    if utf8 and not is_terminal():
        write_bytes(chunk.encode("utf-8", "backslashreplace") for chunk in _chunks(lines))
        return
    for chunk in _chunks(lines):
        out.write(chunk)
    out.flush()


def write_bytes(chunks: Iterable[bytes]) -> None:
    """Write bytes unchanged."""
    out = _out()
    out.flush()
    for chunk in chunks:
        out.buffer.write(chunk)
    out.buffer.flush()


def _failed(error: OSError) -> OutputFailed:
    if error.errno == errno.EPIPE:
        return ReaderGone("the reader of standard output has gone")
    return OutputFailed(f"standard output cannot be written: {error.strerror}")


def _out() -> io.TextIOWrapper:
    if sys.stdout is None:
        raise OutputFailed("standard output is closed: there is nowhere to write the answer")
    return sys.stdout  # type: ignore[return-value]  # a replacement has `buffer` too


def _chunks(lines: Iterable[str]) -> Iterator[str]:
    """Many lines together, because the stream of a terminal flushes at each write, which takes 0.1 ms."""
    lines = iter(lines)
    while chunk := list(itertools.islice(lines, _CHUNK_LINES)):
        yield "\n".join(chunk) + "\n"


def _reserve(number: int) -> None:
    """Occupy this number, so that no file of ours is taken for a standard stream."""
    try:
        os.fstat(number)
    except OSError:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor != number:
            os.dup2(descriptor, number)
            os.close(descriptor)
