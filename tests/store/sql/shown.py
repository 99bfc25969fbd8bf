"""Results as the reference prints them: `[ 1,2 ]` for an array or time series, `( 1,a )` for a row."""

from __future__ import annotations

from sql_database import Database


def shown(value: object) -> str | None:
    """A value of a result as text."""
    match value:
        case None:
            return None
        case list():
            return f"[ {','.join(map(str, map(shown, value)))} ]"
        case tuple():
            return f"( {','.join(map(str, map(shown, value)))} )"
    return str(value)


def value_of(database: Database, expression: str) -> str | None:
    """The value of an expression, or of a query of one value."""
    text = expression if expression.upper().startswith(("SELECT", "WITH")) else f"SELECT {expression}"
    return shown(database.value(text))
