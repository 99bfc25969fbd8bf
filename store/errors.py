"""The errors of the store, grouped by who must act.

StoreError
├── RequestError            the caller
│   ├── UnknownDatabase     the account has no database of this name
│   ├── UnknownTable        the database has no table of this name
│   ├── DatabaseExists      CreateDatabase for an existing database
│   ├── TableExists         CreateTable for an existing table
│   ├── DatabaseNotEmpty    DeleteDatabase for a database with tables
│   ├── LimitReached        the account has as much of it as it may have (`store.catalog.limits`)
│   ├── QueryTimeout        the query exceeded its time limit
│   ├── QueryCancelled      the query was cancelled, or nobody waits for its result any more
│   ├── ResultTooLarge      the result of the query exceeds its limit
│   └── QueryFailed         DuckDB rejected the query, or failed while running it
│       └── OutOfMemory     the query needs more memory than it may have
├── StoreFormatError        the operator: the data was written in a format that this program does not read
│   └── DamagedObject       whoever reads the object: it does not match its checksum
├── MagneticTierError       the operator: the magnetic tier is not usable, or another program wrote to it
│   ├── MagneticUnavailable its storage does not respond: the same operation may succeed later
│   │   └── DamagedRows     a file of the table is damaged: passes when the maintenance has removed it from the table
│   ├── NoObject            whoever reads the object: it does not exist, or not any more
│   ├── MagneticConflict    another writer was faster: the operation does not fit the current table
│   └── Fenced              another process has become the owner of the partition: this one must not write it any more
├── PartitionSilent         the operator: the owner of a partition does not respond, so no complete result is possible
├── BackupError             the operator: the backup cannot be made, or is not whole
└── Behind                  the snapshot: it asked for the rows of a partition beyond an outdated version
"""

from __future__ import annotations


class StoreError(Exception):
    """Base class of all errors of this package."""


class RequestError(StoreError):
    """The request cannot be executed."""


class UnknownDatabase(RequestError):
    """The account has no database of this name."""


class UnknownTable(RequestError):
    """The database has no table of this name."""


class DatabaseExists(RequestError):
    """A database of this name already exists."""


class TableExists(RequestError):
    """A table of this name already exists."""


class DatabaseNotEmpty(RequestError):
    """A database with tables cannot be deleted."""


class LimitReached(RequestError):
    """The account has as many databases, tables or bytes in the catalog as it may have."""


class QueryTimeout(RequestError):
    """The query exceeded its time limit and was interrupted."""


class QueryCancelled(RequestError):
    """The query was interrupted because it was cancelled, or because nobody waits for its result any more."""


class ResultTooLarge(RequestError):
    """The result of the query exceeds its limit."""


class QueryFailed(RequestError):
    """DuckDB rejected the query, or failed while running it; the message is DuckDB's."""


class OutOfMemory(QueryFailed):
    """The query needs more memory than it may have."""


class StoreFormatError(StoreError):
    """The data was written in a format that this program does not read, or is damaged."""


class DamagedObject(StoreFormatError):
    """An object does not match its checksum, and is damaged in more than one bit."""


class MagneticTierError(StoreError):
    """The magnetic tier is not usable, or another program wrote to it."""


class MagneticUnavailable(MagneticTierError):
    """The storage of the magnetic tier does not respond. It is not known whether the operation was executed."""


class DamagedRows(MagneticUnavailable):
    """A file with rows of the table is damaged. It is removed from the table, with its rows, within seconds.

    `path`: of the file, relative to the table's folder; empty if that is not known.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class NoObject(MagneticTierError):
    """The object does not exist, or not any more."""


class MagneticConflict(MagneticTierError):
    """Another writer was faster: the operation does not fit the current table, and nothing was written."""


class Fenced(MagneticTierError):
    """Another process has become the owner of the partition that this one wrote; nothing was written."""


class PartitionSilent(StoreError):
    """The owner of a partition does not respond: the rows in its RAM would be missing from the result."""


class BackupError(StoreError):
    """The backup cannot be made, read or restored; the message says what is wrong, and what to do."""


class Behind(StoreError):
    """Not all rows beyond the requested version are still in RAM: repeat the request with a newer version."""
