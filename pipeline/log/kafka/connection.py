"""Connects clients of aiokafka by the settings, and maps their errors."""

from __future__ import annotations

import logging
import ssl
import time
from typing import Any

from aiokafka import errors
from aiokafka.errors import KafkaError

from pipeline.base.errors import LogError, LogUnavailable
from pipeline.log.kafka.judged_connection import judge_connections
from pipeline.log.settings import LogSettings, Tls

NO_WORKER = "streamgauge"  # the client id of clients that are not members of the group

# Errors of aiokafka 0.14.0: brokers are unreachable or busy, the group rebalances, a session restarts
PASSING = (
    errors.BrokerNotAvailableError,
    errors.ConcurrentTransactions,
    errors.CorruptRecordException,
    errors.FetchSessionIdNotFound,
    errors.IllegalGenerationError,
    errors.InvalidFetchSessionEpoch,
    errors.KafkaTimeoutError,
    errors.KafkaUnavailableError,
    errors.MemberIdRequired,
    errors.OperationNotAttempted,
    errors.ReassignmentInProgress,
    errors.RebalanceInProgressError,
    errors.ReplicaNotAvailableError,
    errors.UnknownMemberIdError,
)

_REPEAT_AFTER_S = 30.0
_TALKATIVE = tuple(
    f"aiokafka{name}"
    for name in (
        *("", ".conn", ".cluster", ".consumer.consumer", ".consumer.fetcher", ".consumer.group_coordinator"),
        *(".producer.producer", ".producer.sender", ".producer.message_accumulator", ".admin.client"),
    )
)


def client_arguments(settings: LogSettings, client_id: str = NO_WORKER) -> dict[str, Any]:
    """The common arguments of every client of aiokafka. Raises LogError if a TLS file cannot be used."""
    _quieten()
    judge_connections()
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.servers,
        "client_id": client_id,
        "request_timeout_ms": int(settings.request_s * 1000),
        "security_protocol": ("SASL_" if settings.sasl else "") + ("SSL" if settings.tls else "PLAINTEXT"),
    }
    if not settings.sasl and not settings.tls:
        arguments["security_protocol"] = "PLAINTEXT"
    if settings.tls is not None:
        arguments["ssl_context"] = ssl_context(settings.tls)
    if settings.sasl is not None:
        arguments["sasl_mechanism"] = settings.sasl.mechanism
        arguments["sasl_plain_username"] = settings.sasl.username
        arguments["sasl_plain_password"] = settings.sasl.password
    return arguments


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """A context that trusts the CA of the brokers, with our certificate if there is one. Raises LogError."""
    try:
        context = ssl.create_default_context(cafile=None if tls.ca is None else str(tls.ca))
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(path) for path in (tls.ca, tls.certificate, tls.key) if path is not None)
        raise LogError(f"log.tls: {files}: {error}") from error
    return context


def unavailable(settings: LogSettings, doing: str, error: BaseException) -> LogUnavailable:
    """The error for an operation that Kafka did not do now but may do later."""
    reason = str(error) or type(error).__name__
    return LogUnavailable(f"Kafka at {','.join(settings.servers)} did not {doing}: {reason}")


def as_log_error(settings: LogSettings, doing: str, error: KafkaError | OSError | TimeoutError) -> LogError:
    """Our error for one of aiokafka's: LogUnavailable if it may be temporary."""
    if may_pass(error):
        return unavailable(settings, doing, error)
    return LogError(f"Kafka at {','.join(settings.servers)} refused to {doing}: {error}")


def may_pass(error: KafkaError | OSError | TimeoutError) -> bool:
    """Whether a retry may succeed: aiokafka marks such errors, and a few others are temporary too."""
    if not isinstance(error, KafkaError) or type(error) is KafkaError:
        return True
    return isinstance(error, PASSING) or bool(error.retriable)


class _Rarely(logging.Filter):
    """Lets the same log line through only now and then: while brokers are unreachable there are thirty per second."""

    def __init__(self) -> None:
        super().__init__()
        self._told_s: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now_s = time.monotonic()
        if now_s - self._told_s.get(record.msg, -_REPEAT_AFTER_S) < _REPEAT_AFTER_S:
            return False
        self._told_s[record.msg] = now_s
        return True


def _quieten() -> None:
    """Install `_Rarely`, once per process."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Rarely) for one in logger.filters):
            logger.addFilter(_Rarely())
