"""Amazon Timestream's SQL as a sqlglot dialect: Trino's, with the differences of Timestream.

- `5m` is a constant: names may start with a digit, and the binder converts such a name to an interval.
- `measure_value::double` is the name of a column. `::` has no other meaning (the reference has no such cast).
- Every function call remains a name with arguments. sqlglot converts hundreds of functions to its own classes; here our
  table of functions defines each function, so only calls with their own syntax are parsed separately.

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
    """`measure_value::double`, optionally qualified, as the column of that name."""
    column = this if isinstance(this, exp.Column) else None
    if column is None or column.name != "measure_value" or not isinstance(to, exp.DataType):
        parser.raise_error("'::' is only part of a column name, as in measure_value::double; use CAST(x AS type)")
        raise AssertionError  # raise_error does not return at the error level in use
    name = exp.Identifier(this=f"measure_value::{to.this.value.lower()}", quoted=True)
    name.update_positions(column.this)
    column.set("this", name)
    return column


class Timestream(Trino):
    """The dialect; only its tokenizer and parser are used: the binder writes SQL for DuckDB, not sqlglot."""

    IDENTIFIERS_CAN_START_WITH_DIGIT = True
    INDEX_OFFSET = 0  # sqlglot would count the elements of arrays from 0

    class Tokenizer(Trino.Tokenizer):
        """Trino's tokenizer, except that it splits the text after SHOW into tokens, too."""

        COMMANDS: ClassVar[set[TokenType]] = set()

    class Parser(TrinoParser):
        """Trino's parser, except that it does not convert function calls."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {name: TrinoParser.FUNCTION_PARSERS[name] for name in _OWN_SYNTAX}
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            "CASE": TrinoParser.NO_PAREN_FUNCTION_PARSERS["CASE"],
        }
        COLUMN_OPERATORS: ClassVar[dict[Any, Any]] = {
            **TrinoParser.COLUMN_OPERATORS,
            TokenType.DCOLON: _measure_column,
        }
