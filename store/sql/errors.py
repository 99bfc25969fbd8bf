"""The errors of queries, grouped by who must act. Messages have Amazon Timestream's wording if that is known.

SqlError                     the caller; `message` is the whole text, with the position if there is one
├── SyntaxInvalid            not a statement of this dialect
├── NotSupported             a statement, clause or function that is not supported (yet)
├── NameNotFound             a database, table, column or function that does not exist
├── TypeMismatch             an operation that is not defined for these types, or a value that is not of its type
├── RowTooLarge              a row of the result that no page can have
└── QueryFailed              the query is valid, but failed on its data
    ├── QueryTimedOut        the query exceeded its time limit
    ├── LimitExceeded        the query needs more memory, or has a larger result, than it may
    └── QueryEnded           the process of the query ended unexpectedly

Clients examine these texts: the Prometheus connector treats one with "Column" and "does not exist" as no rows. This
module imports nothing, so that code that handles errors need not load the SQL front end.
"""

from __future__ import annotations


class SqlError(Exception):
    """A query that failed. `line` and `column` count from 1; None if the error has no position."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class SyntaxInvalid(SqlError):
    """Text that is not a statement of this dialect."""


class NotSupported(SqlError):
    """A statement, clause or function that this server does not support."""


class NameNotFound(SqlError):
    """A database, table, column or function that does not exist."""


class TypeMismatch(SqlError):
    """An operation that is not defined for these types, or a value that is not of its type."""


class RowTooLarge(SqlError):
    """A row of the result that no page can have."""


class QueryFailed(SqlError):
    """The query is valid, but failed on its data (a division by zero, a text that is not a number)."""


class QueryTimedOut(QueryFailed):
    """The query exceeded its time limit."""


class LimitExceeded(QueryFailed):
    """The query needs more memory, or has a larger result, than it may."""


class QueryEnded(QueryFailed):
    """The process of the query ended unexpectedly: killed from outside, or by a fault in a library."""
