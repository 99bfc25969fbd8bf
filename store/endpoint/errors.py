"""What the Timestream endpoint answers when it does not do what was asked, by who must act.

EndpointError                      answered to the client with `status` and the wire name
├── Validation             400     the caller: the request is not one this service takes
├── ShapeViolation         400     the caller: members that break the service model's constraints
├── UnknownOperation       400     the caller: no such operation in this protocol
├── Serialization          400     the caller: a body that is not JSON
├── AccessDenied           403     the caller: a signature of no account known here
├── ResourceNotFound       404     the caller: no such database, table
├── Conflict               409     the caller: it exists already
├── QueryExecution         400     the caller: the query failed on its data
├── RejectedRecords        419     the caller: some records were not stored
├── Throttling             429     passes: too much at once
└── InternalServer         500     us, or the disk: see the log
DamagedPayload                     us, or a damaged log: a log message that is not a WriteRecords request

Statuses and names: API reference, "Timestream-specific errors"; bodies as recorded from the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

TIMESTREAM = "com.amazonaws.timestream.v20181101"
CORAL = "com.amazon.coral.validate"
CORAL_SERVICE = "com.amazon.coral.service"


class DamagedPayload(Exception):
    """A log message that is not a WriteRecords request of a known version."""


class EndpointError(Exception):
    """Base of what is answered with an error status; `str(error)` is the message."""

    status: ClassVar[int] = 500
    wire_name: ClassVar[str] = "InternalServerException"
    namespace: ClassVar[str] = TIMESTREAM

    @property
    def members(self) -> Mapping[str, object]:
        """Further members of the error's body."""
        return {}

    def body(self) -> dict[str, object]:
        """The body as the service sends it."""
        return {"__type": f"{self.namespace}#{self.wire_name}", "message": str(self), **self.members}


class Validation(EndpointError):
    """The request is not one this service takes."""

    status = 400
    wire_name = "ValidationException"


class ShapeViolation(Validation):
    """Members that are missing or break the constraints of the service model."""

    namespace = CORAL


class UnknownOperation(EndpointError):
    """No such operation in this protocol."""

    status = 400
    wire_name = "UnknownOperationException"
    namespace = CORAL_SERVICE


class Serialization(EndpointError):
    """A body that is not JSON."""

    status = 400
    wire_name = "SerializationException"
    namespace = CORAL_SERVICE


class AccessDenied(EndpointError):
    """The request is signed by nobody known here."""

    status = 403
    wire_name = "AccessDeniedException"


class ResourceNotFound(EndpointError):
    """A database or table that is not there."""

    status = 404
    wire_name = "ResourceNotFoundException"


class Conflict(EndpointError):
    """It exists already, or was cancelled."""

    status = 409
    wire_name = "ConflictException"


class QueryExecution(EndpointError):
    """The query is right, and failed on its data or took too long."""

    status = 400
    wire_name = "QueryExecutionException"


class RejectedRecords(EndpointError):
    """Some records were not stored; all others were."""

    status = 419
    wire_name = "RejectedRecordsException"

    def __init__(self, rejected: list[dict[str, object]]) -> None:
        super().__init__("One or more records have been rejected. See RejectedRecords for details.")
        self.rejected = rejected

    @property
    def members(self) -> Mapping[str, object]:
        """The rejected records, in ascending order of index."""
        return {"RejectedRecords": self.rejected}


class Throttling(EndpointError):
    """Too much at once; a later try may succeed."""

    status = 429
    wire_name = "ThrottlingException"


class InternalServer(EndpointError):
    """A fault of ours."""
