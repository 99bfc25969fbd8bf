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

from store.sql.constant_lists import ConstantList, Lists

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

        def __init__(self, dialect: Trino, lists: Lists) -> None:
            """`lists` are to be put in their places."""
            super().__init__(dialect=dialect)
            self._lists = lists
            self.placed: set[int] = set()

        def _parse_types(
            self,
            check_func: bool = False,
            schema: bool = False,
            allow_identifiers: bool = True,
            with_collation: bool = False,
        ) -> exp.Expr | None:
            """A type. Where an expression may stand, what has brackets is none, but a call or a constructor.

            sqlglot would try both, at each level again: `ARRAY[ARRAY[…` would take twice the time for each.
            """
            if check_func and self._next and self._next.token_type in {TokenType.L_PAREN, TokenType.L_BRACKET}:
                return None
            return super()._parse_types(check_func, schema, allow_identifiers, with_collation)

        def _parse_in(self, this: exp.Expr | None, alias: bool = False) -> exp.In:
            """IN, with the list that is in the place of its first number, if that is one."""
            node = super()._parse_in(this, alias)
            first = node.expressions[0] if len(node.expressions) == 1 else None
            start = first.meta.get("start") if isinstance(first, exp.Literal) else None
            if isinstance(start, int) and start in self._lists:
                self.placed.add(start)
                listed = ConstantList(this=self._lists[start])
                listed.meta["start"] = start
                node.set("expressions", [listed])
            return node
