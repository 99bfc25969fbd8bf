"""Parameters of a statement, `@name`: a statement that is prepared has them, and binding finds their types.

The type of a parameter is that to which its first use converts it: `temperature > @limit` makes `limit` a double. One
that is only returned has no type. `@scheduled_runtime` is a timestamp, as in Timestream's scheduled queries, and has a
value when one is run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from sqlglot import exp

from store.sql.typed import Typed, constant
from store.sql.types import TIMESTAMP, UNKNOWN, SqlType
from store.values.sql_text import quote_name

SCHEDULED_RUNTIME = "scheduled_runtime"
_KNOWN: dict[str, SqlType] = {SCHEDULED_RUNTIME: TIMESTAMP}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one statement, in the order of its text, with the types that are found so far.

    scheduled_ns  the value of `@scheduled_runtime`, if it has one
    """

    types: dict[str, SqlType] = field(default_factory=dict)
    scheduled_ns: int | None = None

    @classmethod
    def of(cls, statement: exp.Expr) -> Self:
        """The parameters that the statement names."""
        names = (node.name for node in statement.find_all(exp.Parameter, bfs=False))
        return cls({name: _KNOWN.get(name, UNKNOWN) for name in names})

    def bound(self, name: str) -> Typed | None:
        """A use of the parameter; None if there is none of this name."""
        if name == SCHEDULED_RUNTIME and self.scheduled_ns is not None:
            return constant(self.scheduled_ns, TIMESTAMP)
        kind = self.types.get(name)
        return None if kind is None else Typed(_sql(name), kind)

    def used_as(self, value: Typed, kind: SqlType) -> None:
        """Note the type to which a value is converted, if it is a parameter without one."""
        if value.type is not UNKNOWN or kind is UNKNOWN:
            return
        for name, known in self.types.items():
            if known is UNKNOWN and value.sql == _sql(name):
                self.types[name] = kind


def _sql(name: str) -> str:
    """A text that no other expression has; it is never executed."""
    return f"${quote_name(name)}"
