"""The text of a query and places in it: offsets become `line 1:8`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from store.sql.errors import NameNotFound, NotSupported, SqlError, SyntaxInvalid, TypeMismatch
from store.values.nearest import nearest as nearest_of


@dataclass(frozen=True, slots=True)
class QueryText:
    """A query as it was sent; makes the errors that point into it."""

    text: str

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, from 1."""
        before = self.text[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

    def error(self, kind: type[SqlError], at: exp.Expr | int | None, message: str) -> SqlError:
        """The error of this kind at a node or offset: `line 1:8: message`."""
        offset = at if isinstance(at, int) or at is None else position(at)
        if offset is None:
            return kind(message)
        line, column = self.place(offset)
        return kind(f"line {line}:{column}: {message}", line, column)

    def offset(self, node: exp.Expr) -> int | None:
        """Where a node starts, as an offset."""
        return position(node)

    def not_found(self, message: str, place: tuple[int, int]) -> SqlError:
        """A NameNotFound whose message says its place in its own way."""
        return NameNotFound(message, *place)

    def syntax(self, at: exp.Expr | int | None, message: str) -> SqlError:
        """A SyntaxInvalid, begun as Timestream begins it."""
        error = self.error(SyntaxInvalid, at, message)
        where = " at " if error.line else ": "
        return SyntaxInvalid(f"The query syntax is invalid{where}{error.message}", error.line, error.column)

    def unsupported(self, at: exp.Expr | int | None, what: str) -> SqlError:
        """A NotSupported: `what` is not offered yet."""
        return self.error(NotSupported, at, f"{what} is not offered yet")

    def unknown(self, at: exp.Expr | int | None, message: str) -> SqlError:
        """A NameNotFound."""
        return self.error(NameNotFound, at, message)

    def mismatch(self, at: exp.Expr | int | None, message: str) -> SqlError:
        """A TypeMismatch."""
        return self.error(TypeMismatch, at, message)

    def refuse_other(self, node: exp.Expr, *known: str, what: str) -> None:
        """Refuse a node that carries anything but the parts named: what the parser understood and we would drop."""
        for part, value in node.args.items():
            if part not in known and value not in (None, False, [], ""):
                raise self.unsupported(node, f"{part.strip('_').replace('_', ' ').upper()} in {what}")


def nearest(name: str, known: Iterable[str]) -> str:
    """What to add to a message about a name there is not: the nearest that there is, if one is near."""
    near = nearest_of(name, known, ratio=0.7)
    return f" (did you mean '{near}'?)" if near else ""


def position(node: exp.Expr) -> int | None:
    """Where a node starts: the smallest offset of it and what is in it; None if the parser kept none."""
    return min(_offsets(node), default=None)


def _offsets(node: exp.Expr) -> Iterator[int]:
    for part in node.walk():
        start = part.meta.get("start") if part._meta else None  # noqa: SLF001 - `meta` would make an empty dict per node
        if isinstance(start, int):
            yield start
