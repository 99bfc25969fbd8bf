"""The text of a query, and positions in it: offsets are converted to `line 1:8`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from store.sql.errors import NameNotFound, NotSupported, SqlError, SyntaxInvalid, TypeMismatch
from store.values.nearest import nearest as nearest_of


@dataclass(frozen=True, slots=True)
class QueryText:
    """A query as the client sent it; creates errors with positions in it."""

    text: str

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, from 1."""
        before = self.text[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

    def error(self, kind: type[SqlError], at: exp.Expr | int | None, message: str) -> SqlError:
        """An error of this kind at a node or offset: `line 1:8: message`."""
        offset = at if isinstance(at, int) or at is None else position(at)
        if offset is None:
            return kind(message)
        line, column = self.place(offset)
        return kind(f"line {line}:{column}: {message}", line, column)

    def offset(self, node: exp.Expr) -> int | None:
        """The offset of the start of a node."""
        return position(node)

    def not_found(self, message: str, place: tuple[int, int]) -> SqlError:
        """A NameNotFound whose message already contains its position."""
        return NameNotFound(message, *place)

    def syntax(self, at: exp.Expr | int | None, message: str) -> SqlError:
        """A SyntaxInvalid, with the beginning of Timestream's message."""
        error = self.error(SyntaxInvalid, at, message)
        where = " at " if error.line else ": "
        return SyntaxInvalid(f"The query syntax is invalid{where}{error.message}", error.line, error.column)

    def unsupported(self, at: exp.Expr | int | None, what: str) -> SqlError:
        """A NotSupported for `what`."""
        return self.error(NotSupported, at, f"{what} is not offered yet")

    def unknown(self, at: exp.Expr | int | None, message: str) -> SqlError:
        """A NameNotFound."""
        return self.error(NameNotFound, at, message)

    def mismatch(self, at: exp.Expr | int | None, message: str) -> SqlError:
        """A TypeMismatch."""
        return self.error(TypeMismatch, at, message)

    def refuse_other(self, node: exp.Expr, *known: str, what: str) -> None:
        """Reject a node that has other parts than these, which the parser accepts and the binder would ignore."""
        for part, value in node.args.items():
            if part not in known and value not in (None, False, [], ""):
                raise self.unsupported(node, f"{part.strip('_').replace('_', ' ').upper()} in {what}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the most similar existing name, if there is one."""
    near = nearest_of(name, known, ratio=0.7)
    return f" (did you mean '{near}'?)" if near else ""


def position(node: exp.Expr) -> int | None:
    """The offset of the start of a node: the smallest one of it and its parts; None if the parser has not kept any."""
    if isinstance(node, exp.Column):  # most are, and a walk takes as long as to bind one
        start = node.parts[0].meta.get("start")
        if isinstance(start, int):
            return start
    return min(_offsets(node), default=None)


def _offsets(node: exp.Expr) -> Iterator[int]:
    for part in node.walk():
        start = part.meta.get("start") if part._meta else None  # noqa: SLF001 - `meta` would create an empty dict per node
        if isinstance(start, int):
            yield start
