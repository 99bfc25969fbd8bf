"""Whatever a library below can raise, whoever calls us gets an error of ours: each public exception class is tried.

A library that brings a new class fails here until somebody has said what it means.
"""

from __future__ import annotations

import inspect
import sqlite3
import ssl
from pathlib import Path
from types import ModuleType

import aiokafka.errors
import deltalake.exceptions
import duckdb
import httpx
import msgspec
import obstore.exceptions
import paho.mqtt.client
import pytest
import sqlglot.errors

from pipeline.alerting.archive.database import ArchiveFile
from pipeline.alerting.receivers.post import post
from pipeline.base.errors import ArchiveError, LogError, LogUnavailable, PeerUnavailable, ServerUnreachable
from pipeline.base.tls import handshakes
from pipeline.cluster.client import AsyncPeerClient, PeerAccess, PeerClient
from pipeline.gateway.brokers.trouble import Kind, of_error
from pipeline.log.embedded.folder import open_folder
from pipeline.log.embedded.topic_file import TopicFile
from pipeline.log.kafka.connection import PASSING, as_log_error
from pipeline.log.settings import LogSettings
from pipeline.log.topics import READINGS
from pipeline.operations.client import Client
from store.engine import duck
from store.errors import MagneticTierError, QueryFailed, StoreError
from store.magnetic import delta
from store.objects import s3
from store.objects.location import S3Location

BUCKET = S3Location("bucket", "prefix")
TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def exceptions_of(module: ModuleType, *but: type[BaseException]) -> list[type[Exception]]:
    found = {kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, Exception)}
    own = {kind for kind in found if kind.__module__ != "builtins"}
    return sorted(own - {*but}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", exceptions_of(duckdb, duckdb.Warning))
def test_duckdb(kind: type[Exception]) -> None:
    with pytest.raises(QueryFailed), duck.errors_mapped():
        raise kind("told so")


@pytest.mark.parametrize("kind", exceptions_of(deltalake.exceptions))
@pytest.mark.parametrize("location", [BUCKET, Path("/magnetic")])
def test_deltalake(location: Path | S3Location, kind: type[Exception]) -> None:
    with pytest.raises((StoreError, delta.Raced)), delta.errors_mapped(location):
        raise kind("told so")


@pytest.mark.parametrize("kind", exceptions_of(obstore.exceptions))
def test_obstore(kind: type[Exception]) -> None:
    with pytest.raises(MagneticTierError), s3.S3Objects(BUCKET).errors_mapped("a", "read"):
        raise kind("told so")

    assert kind in s3.ERRORS


@pytest.mark.parametrize("kind", exceptions_of(sqlite3, sqlite3.Warning))
def test_sqlite(tmp_path: Path, kind: type[Exception]) -> None:
    topic = TopicFile(open_folder(tmp_path, partitions=1), READINGS)

    with pytest.raises(LogError), topic.errors_mapped():
        raise kind("told so")

    topic.close()


@pytest.mark.parametrize("kind", exceptions_of(sqlite3, sqlite3.Warning))
def test_sqlite_in_an_archive(tmp_path: Path, kind: type[Exception]) -> None:
    archive = ArchiveFile(tmp_path / "alerts.sqlite", [], 1)

    with pytest.raises(ArchiveError), archive.writing():
        raise kind("told so")

    archive.close()


# The operator must act, or we asked what cannot be asked: the same will be refused again.
KAFKA_REFUSES = frozenset(
    [
        "AuthenticationFailedError",
        "AuthenticationMethodNotSupported",
        "BrokerResponseError",
        "ClusterAuthorizationFailedError",
        "CommitFailedError",
        "DelegationTokenAuthDisabled",
        "DelegationTokenAuthorizationFailed",
        "DelegationTokenExpired",
        "DelegationTokenNotFound",
        "DelegationTokenOwnerMismatch",
        "DelegationTokenRequestNotAllowed",
        "DuplicateSequenceNumber",
        "GroupAuthorizationFailedError",
        "GroupIdNotFound",
        "IllegalArgumentError",
        "IllegalSaslStateError",
        "IllegalStateError",
        "IncompatibleBrokerVersion",
        "InconsistentGroupProtocolError",
        "InvalidCommitOffsetSizeError",
        "InvalidConfigurationError",
        "InvalidFetchRequestError",
        "InvalidGroupIdError",
        "InvalidPartitionsError",
        "InvalidPrincipalType",
        "InvalidProducerEpoch",
        "InvalidProducerIdMapping",
        "InvalidReplicationAssignmentError",
        "InvalidReplicationFactorError",
        "InvalidRequestError",
        "InvalidRequiredAcksError",
        "InvalidSessionTimeoutError",
        "InvalidTimestampError",
        "InvalidTopicError",
        "InvalidTransactionTimeout",
        "InvalidTxnState",
        "KafkaConfigurationError",
        "ListenerNotFound",
        "LogDirNotFound",
        "MessageSizeTooLargeError",
        "NoError",
        "NoOffsetForPartitionError",
        "NonEmptyGroup",
        "OffsetMetadataTooLargeError",
        "OffsetOutOfRangeError",
        "OutOfOrderSequenceNumber",
        "PolicyViolationError",
        "ProducerClosed",
        "ProducerFenced",
        "QuotaViolationError",
        "RecordListTooLargeError",
        "RecordTooLargeError",
        "SaslAuthenticationFailed",
        "SecurityDisabled",
        "StaleControllerEpochError",
        "StaleLeaderEpochCodeError",
        "TopicAlreadyExistsError",
        "TopicAuthorizationFailedError",
        "TransactionCoordinatorFenced",
        "TransactionalIdAuthorizationFailed",
        "UnknownError",
        "UnknownProducerId",
        "UnrecognizedBrokerVersion",
        "UnsupportedCodecError",
        "UnsupportedForMessageFormatError",
        "UnsupportedSaslMechanismError",
        "UnsupportedVersionError",
    ]
)
NOT_OF_KAFKA = (aiokafka.errors.ConsumerStoppedError, aiokafka.errors.IllegalOperation)  # of misuse; no KafkaError


def test_aiokafka() -> None:
    settings = LogSettings("kafka://broker:9092")
    wrong = [
        kind
        for kind in exceptions_of(aiokafka.errors, *NOT_OF_KAFKA)
        if isinstance(as_log_error(settings, "answer", raised_by_kafka(kind)), LogUnavailable)
        is (kind.__name__ in KAFKA_REFUSES)
    ]

    assert wrong == []


def test_what_kafka_refuses_is_there_and_is_not_marked_as_passing() -> None:
    for name in KAFKA_REFUSES:
        kind = getattr(aiokafka.errors, name)
        assert not kind.retriable
        assert kind not in PASSING


# But for those of an answer that is read twice, or of a cookie that is there twice: httpx used wrongly
OF_HTTPX = [kind for kind in exceptions_of(httpx) if not issubclass(kind, (httpx.StreamError, httpx.CookieConflict))]


def raised_by_kafka(kind: type[aiokafka.errors.KafkaError]) -> aiokafka.errors.KafkaError:
    error = kind()
    error.errno = getattr(kind, "errno", 0)  # one base class says its number, and has none
    return error


def raised(kind: type[Exception]) -> Exception:
    if issubclass(kind, httpx.HTTPStatusError):
        return kind("told so", request=httpx.Request("GET", "http://peer"), response=httpx.Response(500))
    return kind("told so")


@pytest.mark.parametrize("kind", OF_HTTPX)
async def test_httpx(monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    def fail(_: object, __: httpx.Request) -> httpx.Response:
        raise raised(kind)

    async def fail_async(_: object, __: httpx.Request) -> httpx.Response:
        raise raised(kind)

    monkeypatch.setattr(ssl, "create_default_context", lambda **_: TRUST)  # there are no handshakes
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", fail)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", fail_async)
    access = PeerAccess(None, "tier")
    peers, peers_async = PeerClient(access), AsyncPeerClient(access)

    with Client("http://127.0.0.1:1") as client, pytest.raises(ServerUnreachable):
        client.get("v1", "zones")
    with pytest.raises(PeerUnavailable):
        peers.post("http://127.0.0.1:1", "zones", b"", 1)
    with pytest.raises(PeerUnavailable):
        await peers_async.post("http://127.0.0.1:1", "zones", b"", 1)
    async with httpx.AsyncClient() as webhooks:
        attempt = await post(webhooks, "http://127.0.0.1:1", {}, b"")

    assert attempt.status is None
    peers.close()
    await peers_async.close()


@pytest.mark.parametrize("kind", [kind for kind in exceptions_of(ssl) if issubclass(kind, ssl.SSLError)])
def test_ssl(kind: type[ssl.SSLError]) -> None:
    error = kind(1, "told so")
    error.reason, error.library = "TOLD_SO", "SSL"
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_code, error.verify_message = 20, "told so"

    assert of_error(error, "broker:8883").kind in {Kind.TLS, Kind.LOST}
    assert handshakes.why(error)[0] != ""


def test_sqlglot() -> None:
    """What reads a query catches two; the others are of what is not asked of it: to optimise, to run, to write."""
    others = {"ExecuteError", "OptimizeError", "SchemaError", "SqlglotError", "UnsupportedError"}

    assert {kind.__name__ for kind in exceptions_of(sqlglot.errors)} - others == {"ParseError", "TokenError"}


def test_msgspec() -> None:
    """One base, which whoever decodes catches."""
    assert all(issubclass(kind, msgspec.MsgspecError) for kind in exceptions_of(msgspec))


def test_paho() -> None:
    """Bytes that are not MQTT end a connection; the other is of its web sockets, which are not used."""
    names = {kind.__name__ for kind in exceptions_of(paho.mqtt.client) if kind.__module__.startswith("paho")}

    assert names == {"MalformedPacket", "WebsocketConnectionError"}
