"""What can be wrong with a query, by who must act. Messages are worded as Amazon Timestream's where those are known.

SqlError                     the caller; `message` holds the whole text, with the place where there is one
├── SyntaxInvalid            not a statement of this dialect
├── NotSupported             a statement, clause or function not offered (yet)
├── NameNotFound             a database, table, column or function that does not exist
├── TypeMismatch             an operation on types it is not defined for, or a value that is not of its type
└── QueryFailed              the query is right; running it failed on its data
    └── QueryTimedOut        it ran longer than it may

Clients look into these texts: the Prometheus connector takes one with "Column" and "does not exist" for no rows.
This module imports nothing, so that whoever answers errors need not load the SQL front end.
"""

from __future__ import annotations


class SqlError(Exception):
    """A query that is not answered. `line` and `column` count from 1; None where the fault has no place."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class SyntaxInvalid(SqlError):
    """Text that is not a statement of this dialect."""


class NotSupported(SqlError):
    """A statement, clause or function this server does not offer."""


class NameNotFound(SqlError):
    """A database, table, column or function that does not exist."""


class TypeMismatch(SqlError):
    """An operation on types it is not defined for, or a value that is not of its type."""


class QueryFailed(SqlError):
    """The query is right; running it failed on its data (a division by zero, a text that is not a number)."""


class QueryTimedOut(QueryFailed):
    """The query ran longer than it may."""
