"""What a query process and its worker say to each other, and how: a length, a kind, a body.

The worker says what it likes in pickles, which only it writes. What it hears is decoded as one of the types below and
nothing else, and no account is among them: a query that breaks out of its process learns only what its account may.
"""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any, TypeAlias

import msgspec

from store.reading.insights import Insights
from store.reading.lending import Lend

_LENGTH = struct.Struct("<I")
HELLO = struct.Struct("<I")  # a query process is ready: its id, together with a handle on it
MOST_BYTES = 2**30  # of one frame; parts of responses are far smaller


class ProcessGone(Exception):
    """The other side has closed the connection, or is dead."""


class Databases(msgspec.Struct, frozen=True, tag=True):
    """Asks for the names of databases."""


class TablesOf(msgspec.Struct, frozen=True, tag=True):
    """Asks for the names of tables."""

    database: str


class SchemaOf(msgspec.Struct, frozen=True, tag=True):
    """Asks for the columns of a table."""

    database: str
    table: str


class Renew(msgspec.Struct, frozen=True, tag=True):
    """Asks whether there are new columns."""


class IsAlone(msgspec.Struct, frozen=True, tag=True):
    """Asks whether no other process has rows of tables."""


class LookForNewest(msgspec.Struct, frozen=True, tag=True):
    """Asks that the newest catalog and versions are read."""


class LookForDeleted(msgspec.Struct, frozen=True, tag=True):
    """Asks whether a table was deleted."""


class DropDamaged(msgspec.Struct, frozen=True, tag=True):
    """Asks that a damaged file is removed from its table, and whether the next `Lend` will do without it."""

    database: str
    table: str
    path: str


class Head(msgspec.Struct, frozen=True, tag=True):
    """The result is complete; its parts follow, each a frame, then `End`."""

    rows: int
    truncated: bool
    insights: Insights


class Part(msgspec.Struct, frozen=True, tag=True):
    """A part of the response."""

    data: bytes


class End(msgspec.Struct, frozen=True, tag=True):
    """The response is complete, and the process waits for the next query."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The query failed with one of our errors, named by its class, or with a traceback if it is none of ours.

    `is_last`: the process cannot run another query.
    """

    kind: str
    message: str
    line: int | None = None
    column: int | None = None
    is_last: bool = False


Said: TypeAlias = (
    Databases
    | TablesOf
    | SchemaOf
    | Renew
    | IsAlone
    | LookForNewest
    | LookForDeleted
    | Lend
    | DropDamaged
    | Head
    | Part
    | End
    | Failed
)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Said)


class Connection:
    """One end of a socket pair, in one thread."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end

    def say(self, said: Said) -> None:
        """From a query process to its worker."""
        self.send(_encoder.encode(said))

    def hear(self) -> Said:
        """What a query process says. Raises ProcessGone, also if it makes no sense."""
        try:
            said: Said = _decoder.decode(self.receive())
        except msgspec.MsgspecError as error:
            raise ProcessGone(f"it says what no query process says: {error}") from error
        return said

    def give(self, value: Any) -> None:
        """From the worker to a query process."""
        self.send(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))

    def take(self) -> Any:
        """What the worker gives. Only for query processes: pickles run code."""
        return pickle.loads(self.receive())  # noqa: S301  # from our parent, which is trusted

    def send(self, data: bytes | memoryview) -> None:
        """One frame. Raises ProcessGone."""
        try:
            self.socket.sendall(_LENGTH.pack(len(data)))
            self.socket.sendall(data)
        except OSError as error:
            raise ProcessGone(str(error)) from error

    def receive(self) -> bytes | bytearray:
        """The next frame. Raises ProcessGone."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > MOST_BYTES:
            raise ProcessGone(f"a frame of {length} bytes")
        return self._exactly(length)

    def close(self) -> None:
        """Close it."""
        self.socket.close()

    def _exactly(self, length: int) -> bytearray:
        data = bytearray(length)
        view, read = memoryview(data), 0
        while read < length:
            try:
                count = self.socket.recv_into(view[read:])
            except OSError as error:
                raise ProcessGone(str(error)) from error
            if not count:
                raise ProcessGone("the connection is closed")
            read += count
        return data
