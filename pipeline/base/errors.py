"""What can go wrong in the stream, by who must act.

PipelineError
├── ConfigError           the operator: streamgauge.yaml, an environment override or an option is wrong
├── DataDirError          the operator: the data_dir cannot be used: its format, its permissions
│   ├── DataDirLocked     another process has it
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
├── PeerUnavailable       passes, or the operator: another worker, or a partition without one, does not answer in time
│   └── NotOwned          it answered that what was asked for is not, or not yet, its own
├── RequestRefused        the caller: what was asked of this server is understood, and not done
│   ├── Unauthenticated   no known token came with it
│   ├── Forbidden         the token's role does not allow it
│   ├── UnknownZone       no table has the zone
│   ├── AmbiguousZone     several tables have the zone, and none was named
│   └── Busy              too many wait already; passes
├── ServerUnreachable     the caller: the server a client command asks does not answer
│   └── ServerNotTrusted  the caller: its certificate is not good for this caller and this address
├── ServerRefused         the caller: the server answered that the request is not possible
└── OutputFailed          the caller: standard output does not take the answer
    └── ReaderGone        nobody: whoever read it wants no more
"""

from __future__ import annotations


class PipelineError(Exception):
    """Base of all errors of this package."""


class ConfigError(PipelineError):
    """A setting is missing, unknown or out of range; the message says where, what, and what is allowed."""


class DataDirError(PipelineError):
    """The data_dir cannot be used: its format is not one this program reads, or the disk refuses."""


class DataDirLocked(DataDirError):
    """Another process has the data_dir; the message names it."""


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
    """The log's cap or the disk's reserve is reached; the append was not made. Passes when consumers catch up."""


class LogUnavailable(LogError):
    """Kafka does not answer, or too few of its brokers do. An append may have been made or not. Passes when the brokers
    are back.
    """


class MalformedPacket(PipelineError):
    """Bytes that are not MQTT as the specification has it; `reason` is a metric label."""

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


class PeerUnavailable(PipelineError):
    """An answer would lack what another worker has; the message names it. Asked again later it may be whole."""


class NotOwned(PeerUnavailable):
    """The worker that was asked does not have what was asked for (any more, or yet)."""


class RequestRefused(PipelineError):
    """What was asked of this server is understood, and not done."""


class Unauthenticated(RequestRefused):
    """No known token came with the request."""


class Forbidden(RequestRefused):
    """The token's role does not allow it; `role` does."""

    def __init__(self, detail: str, role: str) -> None:
        super().__init__(detail)
        self.role = role


class UnknownZone(RequestRefused):
    """No table that was asked about has the zone."""


class AmbiguousZone(RequestRefused):
    """Several tables have the zone; the message names them."""


class Busy(RequestRefused):
    """Too many wait already. Asked again in a moment it may be done."""


class ServerUnreachable(PipelineError):
    """The server that a client command asks does not answer."""


class ServerNotTrusted(ServerUnreachable):
    """The server that a client command asks has a certificate that this caller does not trust."""


class ServerRefused(PipelineError):
    """The server a client command asked answered that the request is not possible; the message is its detail."""


class OutputFailed(PipelineError):
    """Standard output does not take what is printed: it is closed, or its disk is full."""


class ReaderGone(OutputFailed):
    """Whoever read what is printed has gone (`| head`)."""
