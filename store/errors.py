"""What can go wrong in the store, by who must act.

StoreError
├── RequestError            the caller
│   ├── UnknownDatabase     no database of this name in the account
│   ├── UnknownTable        no table of this name in the database
│   ├── DatabaseExists      CreateDatabase of one that is there
│   ├── TableExists         CreateTable of one that is there
│   ├── DatabaseNotEmpty    DeleteDatabase of one with tables
│   ├── QueryTimeout        a query ran longer than it was allowed
│   ├── QueryCancelled      a query was cancelled, or nobody waits for its answer any more
│   └── QueryFailed         DuckDB refused or failed the query
├── StoreFormatError        the operator: the folder was written in a format this program does not read
├── MagneticTierError       the operator: the magnetic tier cannot be used, or someone else wrote to it
│   ├── MagneticUnavailable its storage does not answer now: the same may succeed later
│   ├── MagneticConflict    another writer was faster: what was asked does not fit the table any more
│   └── Fenced           another process writes our partition: nothing more of it is ours to write
├── PartitionSilent         the operator: the owner of a partition does not answer, so no query can be answered whole
└── Behind                  the snapshot that asked: a partition's rows are asked for beyond an outdated version
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of all errors of this package."""


class RequestError(StoreError):
    """What was asked cannot be done."""


class UnknownDatabase(RequestError):
    """No database of this name in the account."""


class UnknownTable(RequestError):
    """No table of this name in the database."""


class DatabaseExists(RequestError):
    """A database of this name is there already."""


class TableExists(RequestError):
    """A table of this name is there already."""


class DatabaseNotEmpty(RequestError):
    """A database with tables cannot be deleted."""


class QueryTimeout(RequestError):
    """A query ran longer than it was allowed and was interrupted."""


class QueryCancelled(RequestError):
    """A query was interrupted because it was cancelled, or because nobody waits for its answer any more."""


class QueryFailed(RequestError):
    """DuckDB refused or failed the query; the message is DuckDB's."""


class StoreFormatError(StoreError):
    """The folder was written in a format that this program does not read."""


class MagneticTierError(StoreError):
    """The magnetic tier cannot be used, or someone else wrote to it."""


class MagneticUnavailable(MagneticTierError):
    """The magnetic tier's storage does not answer now. Whether what was asked has been done is not known."""


class MagneticConflict(MagneticTierError):
    """Another writer was faster: what was asked does not fit the table any more, and nothing was written."""


class Fenced(MagneticTierError):
    """Another process writes the partition that this one wrote: it has been taken over, and nothing was written."""


class PartitionSilent(StoreError):
    """The owner of a partition does not answer: what it has in RAM would be missing from the answer."""


class Behind(StoreError):
    """Not all rows beyond the version that was asked about are in RAM any more: ask again with a newer one."""
