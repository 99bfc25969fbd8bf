"""The errors of the Timestream endpoint, grouped by who must act.

EndpointError                      sent to the client with `status` and the wire name
├── Validation             400     the caller: the service does not accept this request
├── ShapeViolation         400     the caller: members that violate the service model's constraints
├── UnknownOperation       400     the caller: the protocol has no such operation
├── Serialization          400     the caller: the body is not JSON
├── ServiceQuotaExceeded   402     the caller: it has as many databases or tables as its account may have
├── AccessDenied           403     the caller: the signature is of no known account
├── ResourceNotFound       404     the caller: no such database or table
│   └── ScheduledQueryNotFound     the caller: no such scheduled query
├── Conflict               409     the caller: it already exists, or was cancelled
├── QueryExecution         400     the caller: the query failed on its data
├── RejectedRecords        419     the caller: some records were not stored
├── Throttling             429     temporary: too many requests
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
    """Base class of errors in responses; `str(error)` is the message."""

    status: ClassVar[int] = 500
    wire_name: ClassVar[str] = "InternalServerException"
    namespace: ClassVar[str] = TIMESTREAM

    @property
    def members(self) -> Mapping[str, object]:
        """Additional members of the error's body."""
        return {}

    def body(self) -> dict[str, object]:
        """The body in the form of the service."""
        return {"__type": f"{self.namespace}#{self.wire_name}", "message": str(self), **self.members}


class Validation(EndpointError):
    """The service does not accept this request."""

    status = 400
    wire_name = "ValidationException"


class ShapeViolation(Validation):
    """Members that are missing or violate the constraints of the service model."""

    namespace = CORAL


class UnknownOperation(EndpointError):
    """The protocol has no such operation."""

    status = 400
    wire_name = "UnknownOperationException"
    namespace = CORAL_SERVICE


class Serialization(EndpointError):
    """The body is not JSON."""

    status = 400
    wire_name = "SerializationException"
    namespace = CORAL_SERVICE


class ServiceQuotaExceeded(EndpointError):
    """The account has as much of it as it may have."""

    status = 402
    wire_name = "ServiceQuotaExceededException"


class AccessDenied(EndpointError):
    """The signature is of no known account."""

    status = 403
    wire_name = "AccessDeniedException"


class ResourceNotFound(EndpointError):
    """A database or table that does not exist."""

    status = 404
    wire_name = "ResourceNotFoundException"


class ScheduledQueryNotFound(ResourceNotFound):
    """A scheduled query that does not exist."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"The resource with arn {arn} does not exist.")
        self.arn = arn

    @property
    def members(self) -> Mapping[str, object]:
        """The ARN that was asked for."""
        return {"ScheduledQueryArn": self.arn}


class Conflict(EndpointError):
    """It already exists, or was cancelled."""

    status = 409
    wire_name = "ConflictException"


class QueryExecution(EndpointError):
    """The query is valid, but failed on its data or exceeded its time limit."""

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
    """Too many requests at once; a later attempt may succeed."""

    status = 429
    wire_name = "ThrottlingException"


class InternalServer(EndpointError):
    """An internal error."""
