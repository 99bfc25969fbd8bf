"""What can go wrong in the stream, by who must act.

PipelineError
├── ConfigError           the operator: streamgauge.yaml, an environment override or an option is wrong
├── DataDirError          the operator: the data_dir cannot be used: its format, its permissions
│   ├── DataDirLocked     another process uses it
│   └── ArchiveError      the file of alerts or of dead letters cannot be read or written: damaged, a full disk
├── PortTaken             the operator: an address to listen on is in use; the message says by whom
├── LogError              the operator: the log cannot be used
│   ├── LogLocked         another process owns this log folder
│   ├── LogFormatError    the folder's format version is not one this program reads
│   ├── LogFull           `log.max_bytes` or `min_free` is reached; passes when consumers catch up
│   └── LogUnavailable    Kafka does not answer, or too few brokers do; passes when they are back
├── MalformedPacket       the device: bytes that are not MQTT; closes its connection only
├── PayloadError          the device: a payload that cannot become a record; goes to [dead_letters]
├── FrameError            us, or a damaged log: a log message that is not a frame
│   └── UnknownKind       the operator: a frame of a kind that a newer version writes
├── PeerUnavailable       passes, or the operator: another worker, or a partition without one, does not answer in time
│   └── NotOwned          the other worker does not own, or not yet, what was asked for
├── RequestRefused        the caller: this server understood the request and refuses it
│   ├── Unauthenticated   it has no known token
│   ├── Forbidden         the token's role does not allow it
│   ├── UnknownZone       no table has the zone
│   ├── AmbiguousZone     several tables have the zone, and none was named
│   ├── OverQuota         the account has used what its quota allows; passes, or the operator raises it
│   └── Busy              too many requests wait; passes
├── ServerUnreachable     the caller: the server does not answer a client command
│   └── ServerNotTrusted  the caller: the client does not trust its certificate
├── ServerRefused         the caller: the server answered that the request is not possible
│   └── ServerBusy        the server cannot do it now; passes
├── ImportFailed          the caller: a file cannot be imported; the message says which, and where
├── PlotFailed            the caller: an answer cannot be drawn, or the picture cannot be written
└── OutputFailed          the caller: the answer cannot be written to standard output
    └── ReaderGone        nobody: the reader has closed the pipe
"""

from __future__ import annotations


class PipelineError(Exception):
    """Base of all errors of this package."""


class ConfigError(PipelineError):
    """A setting is missing, unknown or out of range; the message says where, what, and what is allowed."""


class DataDirError(PipelineError):
    """The data_dir cannot be used: its format is not one this program reads, or the disk refuses."""


class DataDirLocked(DataDirError):
    """Another process uses the data_dir; the message names it."""


class ArchiveError(DataDirError):
    """The file of alerts or of dead letters cannot be read or written; the message names it and SQLite's error."""


class PortTaken(PipelineError):
    """An address to listen on is in use; the message says by whom."""


class LogError(PipelineError):
    """The log cannot be used."""


class LogLocked(LogError):
    """Another process owns this log folder; the message names it."""


class LogFormatError(LogError):
    """The folder's format version is not one this program reads."""


class LogFull(LogError):
    """The limit of the log or the reserve of the disk is reached; nothing was appended.

    Passes when consumers catch up.
    """


class LogUnavailable(LogError):
    """Kafka does not answer, or too few brokers do.

    It is unknown whether an append was made. Passes when the brokers are back.
    """


class MalformedPacket(PipelineError):
    """Bytes that violate the MQTT specification; `reason` is a metric label."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class PayloadError(PipelineError):
    """A message that cannot become a record; `reason` is a metric label and the dead letter's reason."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class FrameError(PipelineError):
    """A log message that is not a frame of a known version."""


class UnknownKind(FrameError):
    """A frame of a kind that this version does not know; `is_ignorable`: it has no message, and may be left out."""

    def __init__(self, kind: str, *, is_ignorable: bool) -> None:
        super().__init__(f"a frame of the kind {kind[:40]!r}, which this version does not know: a newer one wrote it")
        self.is_ignorable = is_ignorable


class PeerUnavailable(PipelineError):
    """The answer would be incomplete without another worker, which the message names. A later request may succeed."""


class NotOwned(PeerUnavailable):
    """The other worker does not own what was asked for, not yet or not any more."""


class RequestRefused(PipelineError):
    """This server understood the request and refuses it."""


class Unauthenticated(RequestRefused):
    """The request has no known token."""


class Forbidden(RequestRefused):
    """The role of the token does not allow the request; `role` is the one that does."""

    def __init__(self, detail: str, role: str) -> None:
        super().__init__(detail)
        self.role = role


class UnknownZone(RequestRefused):
    """None of the tables in question has the zone."""


class AmbiguousZone(RequestRefused):
    """Several tables have the zone; the message names them."""


class OverQuota(RequestRefused):
    """The account has used what its quota allows; the message names the quota, and when to try again.

    `retry_after_s`: in how many seconds.
    """

    def __init__(self, detail: str, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Busy(RequestRefused):
    """Too many requests wait. A later request may succeed."""


class ServerUnreachable(PipelineError):
    """The server does not answer a client command."""


class ServerNotTrusted(ServerUnreachable):
    """The client command does not trust the certificate of the server."""


class ServerRefused(PipelineError):
    """The server answered a client command that the request is not possible; the message is its detail."""


class ServerBusy(ServerRefused):
    """The server cannot do it now. A later request may succeed: not before `retry_after_s` seconds, if it said so."""

    def __init__(self, detail: str, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class ImportFailed(PipelineError):
    """A file cannot be imported; the message names it, the place, and what is allowed."""


class PlotFailed(PipelineError):
    """A picture cannot be drawn of this answer, or not be written; the message says why."""


class OutputFailed(PipelineError):
    """Standard output cannot be written: it is closed, or its disk is full."""


class ReaderGone(OutputFailed):
    """The reader of standard output has closed it (`| head`)."""
