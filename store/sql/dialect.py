"""Amazon Timestream's SQL as a sqlglot dialect: Trino's, with what Timestream reads differently.

- `5m` is a constant: a name may start with a digit here, and the binder turns such a name into an interval.
- `measure_value::double` is the name of a column. `::` means nothing else (the reference has no cast of this form).
- Every function call stays a name with arguments. sqlglot knows hundreds of functions and normalises them to classes
  of its own; here a function is what our table of functions says, so only calls with their own syntax are parsed apart.

Reference: Timestream developer guide, "Query language reference".
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.parsers.trino import TrinoParser
from sqlglot.tokenizer_core import TokenType

_OWN_SYNTAX = ("CAST", "TRY_CAST", "EXTRACT", "POSITION", "TRIM")


def _measure_column(parser: TrinoParser, this: exp.Expr | None, to: exp.Expr | None) -> exp.Expr:
    """`measure_value::double`, perhaps qualified, as the column of that name."""
    column = this if isinstance(this, exp.Column) else None
    if column is None or column.name != "measure_value" or not isinstance(to, exp.DataType):
        parser.raise_error("'::' is only part of a column name, as in measure_value::double; use CAST(x AS type)")
        raise AssertionError  # raise_error does not return at the error level in use
    name = exp.Identifier(this=f"measure_value::{to.this.value.lower()}", quoted=True)
    name.update_positions(column.this)
    column.set("this", name)
    return column


class Timestream(Trino):
    """The dialect; only its tokenizer and parser are used: SQL for DuckDB is written by the binder, not by sqlglot."""

    IDENTIFIERS_CAN_START_WITH_DIGIT = True

    class Tokenizer(Trino.Tokenizer):
        """Trino's tokenizer, which keeps the text after SHOW in one piece; here it is read token by token."""

        COMMANDS: ClassVar[set[TokenType]] = set()

    class Parser(TrinoParser):
        """Trino's parser, with function calls left alone."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {name: TrinoParser.FUNCTION_PARSERS[name] for name in _OWN_SYNTAX}
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            "CASE": TrinoParser.NO_PAREN_FUNCTION_PARSERS["CASE"],
        }
        COLUMN_OPERATORS: ClassVar[dict[Any, Any]] = {
            **TrinoParser.COLUMN_OPERATORS,
            TokenType.DCOLON: _measure_column,
        }
