"""A whole streamgauge.yaml as values: typed, frozen, checked when created, with secrets masked.

`Config()` is the configuration without a file. Nothing here reads a file or the environment (`pipeline.config.load`
does). Settings of a later version are refused by name.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from pipeline.base.layout import Layout
from pipeline.base.quantities import Address, Duration, FilePath, HostPort, SizeBytes
from pipeline.base.tls.files import TlsFiles
from pipeline.base.web_hosts import AnsweredHosts
from pipeline.config import names
from pipeline.config.alert_history import TABLE, AlertHistory
from pipeline.config.brokers import Brokers, broker_warnings, check_brokers
from pipeline.config.buckets import Bucket
from pipeline.config.console import Console
from pipeline.config.log import Log
from pipeline.config.peers import PeerSettings
from pipeline.config.prices import Prices
from pipeline.config.problems import refuse
from pipeline.config.queries import Queries
from pipeline.config.quotas import Quota, quota_of
from pipeline.config.receivers import Receiver, receiver_problems
from pipeline.config.roles import Role
from pipeline.config.routing import Inhibition, Route, Silence, routing_problems
from pipeline.config.sns_topics import SnsTopic, topic_problems
from pipeline.config.tables import DEFAULT_TABLE, Section, Table
from pipeline.config.tls import ListenerTls, Tls
from pipeline.config.unreached import unreached_problems, unreached_warnings
from pipeline.log.settings import LogSettings
from store.catalog.catalog import TableSettings
from store.catalog.limits import DEFAULTS, Limits
from store.catalog.rollup_table import RollupTable
from store.errors import MagneticTierError
from store.names import DEFAULT_ACCOUNT, SYSTEM_DATABASE
from store.objects.location import S3Location, locate
from store.values.yaml_text import Problem

AccountName = Annotated[str, AfterValidator(names.check_account)]

MIB = 2**20
GIB = 2**30
MOST_COLUMNS = 8_192  # of a kind, in one table: each costs every insert and query of the table
_MAX_USERNAME_BYTES = 65_535  # MQTT 3.1.1, section 3.1.3.4


def _non_empty(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value():
        raise ValueError("it is empty; a secret has at least one character")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_non_empty)]


def _repeated(values: Sequence[str], section: str, key: str, *, is_secret: bool = False) -> list[Problem]:
    return [
        Problem((section, index, key), "it is listed before" if is_secret else f'"{value}" is listed before')
        for index, value in enumerate(values)
        if value in values[:index]
    ]


def _repeated_rollups(tables: Sequence[Table]) -> list[Problem]:
    """Rollup tables whose names other tables have."""
    taken = [table.database_and_table for table in tables]
    found = []
    for index, table in enumerate(tables):
        for number, rollup in enumerate(table.rollup_tables):
            if rollup.target in taken:
                name = ".".join(rollup.target)
                found.append(Problem(("tables", index, "rollups", number, "bin"), f'a table "{name}" is listed before'))
            taken.append(rollup.target)
    return found


class User(Section):
    """Who may publish to the listener, and for which account."""

    username: str = Field(min_length=1, max_length=_MAX_USERNAME_BYTES)
    password: SecretStr | None = Field(default=None, description="needed, unless certificate is true")
    certificate: bool = Field(default=False, description="true: known by a client certificate with this common name")
    account: AccountName = DEFAULT_ACCOUNT

    @field_validator("password")
    @classmethod
    def _is_not_empty(cls, password: SecretStr | None) -> SecretStr | None:
        return None if password is None else _non_empty(password)

    @model_validator(mode="after")
    def _has_one_proof(self) -> Self:
        if self.password is None and not self.certificate:
            refuse([Problem(("password",), "is required, unless certificate: true takes its place")])
        if self.password is not None and self.certificate:
            message = "is true, and there is a password too; a user is known by the one or by the other"
            refuse([Problem(("certificate",), message)])
        return self


class ListenerLimits(Section):
    """What devices may use before anything is known of them."""

    connections: int | None = Field(
        default=None, ge=1, description="open at once; none: as many as the process may have open files"
    )
    pending: int = Field(default=10_000, ge=1, description="of these, without an accepted CONNECT")
    pending_per_address: int = Field(default=5_000, ge=1, description="of these, from one address")
    connect_timeout: Duration = Field(
        default=timedelta(seconds=10), description="for the handshake of TLS, and from then on for the CONNECT"
    )


class Listener(Section):
    """The listener for devices."""

    address: HostPort = Address("127.0.0.1", 1883)
    users: tuple[User, ...] = Field(default=(), description="none: anonymous, on loopback only")
    tls: ListenerTls | None = Field(default=None, description="none: passwords travel in the clear")
    gateways: int = Field(default=1, ge=1, le=64, description="processes that share the port; `up` starts this number")
    metrics: HostPort | None = Field(default=None, description="where gateways answer /metrics and /healthz")
    limits: ListenerLimits = ListenerLimits()

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        found = _repeated([user.username for user in self.users], "users", "username")
        found += [
            Problem(("users", index, "certificate"), "is true, and listener.tls has no client_ca to verify it with")
            for index, user in enumerate(self.users)
            if user.certificate and (self.tls is None or self.tls.client_ca is None)
        ]
        is_guarded = self.users or (self.tls is not None and self.tls.require_client_certificate)
        if not is_guarded and not self.address.is_loopback:
            message = (
                f"{self.address} can be reached from other machines; give the listener users, or a loopback address"
            )
            found.append(Problem(("address",), message))
        refuse(found)
        return self


class Magnetic(Section):
    """The magnetic tier."""

    url: str | None = Field(
        default=None, description="a local folder or s3://bucket/prefix; by default magnetic in the data_dir"
    )

    @field_validator("url")
    @classmethod
    def _is_somewhere(cls, url: str | None) -> str | None:
        if url == "":
            raise ValueError("it is empty; write the path of a local folder, or s3://bucket/prefix")
        if url is not None:
            try:
                locate(url, {})  # how a bucket is reached is read from the environment when it is opened
            except MagneticTierError as error:
                raise ValueError(str(error)) from error
        return url


class Token(Section):
    """Who may use the HTTP API, and which account they see."""

    token: Secret
    account: AccountName = DEFAULT_ACCOUNT
    role: Role = Field(default=Role.WRITE, description="read asks; write also adds; admin also changes and removes")


class HttpLimits(Section):
    """What HTTP clients may use before anything is known of them."""

    connections: int = Field(default=1000, ge=1, description="open at once")
    connections_per_address: int = Field(default=250, ge=1, description="of these, from one address")
    header_timeout: Duration = Field(default=timedelta(seconds=10), description="until the headers have arrived")
    request_timeout: Duration = Field(default=timedelta(minutes=2), description="from then until the body has arrived")
    response_timeout: Duration = Field(
        default=timedelta(minutes=1), description="without the client taking any of a response that waits for it"
    )
    bodies: SizeBytes = Field(default=128 * MIB, description="of requests that are received or answered, in all")
    streams: int = Field(default=200, ge=1, description="of server-sent events, open at once")
    streams_per_account: int = Field(default=50, ge=1, description="of these, of one account")


_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")


def _check_origin(text: str) -> str:
    """`text`, if it is an origin as browsers send it (RFC 6454), or `*`. Raises ValueError."""
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise ValueError(f'"{text}" is not an origin; write scheme, host and port alone, as in https://pages.example')
    return text


Origin = Annotated[str, AfterValidator(_check_origin)]


_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def _check_host_name(text: str) -> str:
    """`text`, if it is the name of a host as browsers send it, without port. Raises ValueError."""
    if not _HOST_NAME.fullmatch(text):
        raise ValueError(f'"{text}" is not the name of a host; write it alone and in lower case, as in gauge.example')
    return text


HostName = Annotated[str, AfterValidator(_check_host_name)]


class Http(Section):
    """The HTTP API."""

    address: HostPort = Address("127.0.0.1", 8080)
    tokens: tuple[Token, ...] = Field(default=(), description="none: loopback only")
    tls: Tls | None = Field(default=None, description="none: tokens travel in the clear")
    limits: HttpLimits = HttpLimits()
    cors_origins: tuple[Origin, ...] = Field(default=(), description="of web pages elsewhere that may ask; * for all")
    hosts: tuple[HostName, ...] = Field(default=(), description="names of this server, for browsers that send no token")
    metrics: HostPort | None = Field(
        default=None, description="where the worker answers /metrics without a token; none: only here, with one"
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        found = _repeated([token.token.get_secret_value() for token in self.tokens], "tokens", "token", is_secret=True)
        if not self.tokens and not self.address.is_loopback:
            message = f"{self.address} can be reached from other machines; give http tokens, or a loopback address"
            found.append(Problem(("address",), message))
        refuse(found)
        return self

    @property
    def host_and_port(self) -> tuple[str, int]:
        """The address for sockets."""
        return self.address.host, self.address.port


class AccountLimits(Section):
    """How much of the store each account may use, whatever names its clients and devices invent."""

    databases: int = Field(default=DEFAULTS.databases, ge=1, description="of an account")
    tables: int = Field(default=DEFAULTS.tables, ge=1, description="of an account, besides the configured ones")
    series: int = Field(default=DEFAULTS.series, ge=1, description="of an account, in one worker")
    columns: int = Field(default=DEFAULTS.columns, ge=1, description="of an account: measures of all its tables")
    catalog: SizeBytes = Field(default=DEFAULTS.catalog_bytes, description="of an account: its entries in the catalog")
    measures: int = Field(default=DEFAULTS.measures, ge=1, le=MOST_COLUMNS, description="of a table")
    dimensions: int = Field(default=DEFAULTS.dimensions, ge=1, le=MOST_COLUMNS, description="of a table: names")
    measure_names: int = Field(default=DEFAULTS.measure_names, ge=1, description="of a table")

    @property
    def of_store(self) -> Limits:
        """The limits for the store."""
        return Limits(
            self.databases,
            self.tables,
            self.series,
            self.columns,
            self.catalog,
            self.measures,
            self.dimensions,
            self.measure_names,
        )


class Config(Section):
    """Everything a streamgauge.yaml says."""

    data_dir: FilePath = Field(default=Path("data"), validate_default=True)
    listener: Listener = Listener()
    brokers: Brokers = Field(default=(), description="existing MQTT brokers to subscribe to")
    log: Log = Log()
    magnetic: Magnetic = Magnetic()
    http: Http = Http()
    console: Console = Console()
    limits: AccountLimits = AccountLimits()
    queries: Queries = Queries()
    buckets: tuple[Bucket, ...] = Field(
        default=(), description="of UNLOAD, batch loads and reports; none: there are none"
    )
    memory_limit: SizeBytes = Field(default=GIB, description="of the memory tier")
    peers: PeerSettings = PeerSettings()
    tables: tuple[Table, ...] = Field(default=(DEFAULT_TABLE,), description="the first whose template matches")
    rules: tuple[str, ...] = Field(default=(), description="files, with * and ? and **")
    receivers: tuple[Receiver, ...] = ()
    routes: tuple[Route, ...] = Field(default=(), description="none: every receiver hears of every alert")
    inhibitions: tuple[Inhibition, ...] = ()
    silences: tuple[Silence, ...] = ()
    alerts: AlertHistory = AlertHistory()
    sns_topics: tuple[SnsTopic, ...] = Field(default=(), description="who is told of scheduled queries")
    quotas: Mapping[str, Quota] = Field(default={}, description="by account; * for all others")
    prices: Prices | None = Field(default=None, description="of usage; none: `streamgauge usage` tells no money")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        none = [] if self.tables else [Problem(("tables",), "is empty; leave tables out for the default, or list one")]
        refuse(
            none
            + _repeated([table.name for table in self.tables], "tables", "name")
            + _repeated_rollups(self.tables)
            + unreached_problems(self.tables)
            + _repeated([bucket.name for bucket in self.buckets], "buckets", "name")
            + _repeated([receiver.name for receiver in self.receivers], "receivers", "name")
            + receiver_problems(self.receivers, self.brokers)
            + _repeated([topic.arn for topic in self.sns_topics], "sns_topics", "arn")
            + topic_problems(self.sns_topics, self.receivers)
            + routing_problems(self.routes, [receiver.name for receiver in self.receivers])
            + check_brokers(self.brokers)
        )
        return self

    @model_validator(mode="after")
    def _peers_are_guarded(self) -> Self:
        """If HTTP needs tokens, requests between workers need one too."""
        if self.log_settings.is_kafka and self.http.tokens and self.peers.token is None:
            message = "is needed: http has tokens, and workers ask each other for what these guard; the same for all"
            refuse([Problem(("peers", "token"), message)])
        return self

    @model_validator(mode="after")
    def _console_is_guarded(self) -> Self:
        """Without tokens everybody who reaches the console may do everything."""
        address = self.console.address
        if address is not None and not address.is_loopback and not self.http.tokens:
            message = f"{address} can be reached from other machines; give http tokens, or a loopback address"
            refuse([Problem(("console", "address"), message)])
        return self

    def answered_hosts(self, own_name: str) -> AnsweredHosts | None:
        """The names for which HTTP and the console answer, `own_name` of this machine among them.

        None: any, as nothing is told or done without a token.
        """
        return None if self.http.tokens and not self.http.hosts else self.own_hosts(own_name)

    def own_hosts(self, own_name: str) -> AnsweredHosts:
        """The names of this server, as far as the configuration knows them, and `own_name` of this machine."""
        addresses = (self.http.address, self.peers.advertise, self.console.address)
        urls = (self.console.url, self.console.api)
        return AnsweredHosts.of(
            [
                own_name,
                *self.http.hosts,
                *(str(address) for address in addresses if address is not None),
                *(urlsplit(url).netloc for url in urls if url is not None),
            ]
        )

    @property
    def layout(self) -> Layout:
        """The paths in the data_dir."""
        return Layout(self.data_dir)

    @property
    def log_settings(self) -> LogSettings:
        """The settings of the log: its url with its folder and its limits, or the connection to Kafka."""
        return self.log.settings(self.layout.log)

    @property
    def store_limits(self) -> Limits:
        """The limits of accounts for the store, with their quotas."""
        series_of = {account: quota.series for account, quota in self.quotas.items() if quota.series is not None}
        return replace(self.limits.of_store, series_of=series_of)

    @property
    def message_rates(self) -> Callable[[str], float | None] | None:
        """How many messages an account may send a second, None: any number; None: no account has such a quota."""
        if all(quota.messages_per_second is None for quota in self.quotas.values()):
            return None
        return lambda account: quota_of(self.quotas, account).messages_per_second

    @property
    def magnetic_url(self) -> str:
        """The absolute folder of the magnetic tier, or its place in a bucket as s3://bucket/prefix."""
        place = self.layout.magnetic if self.magnetic.url is None else locate(self.magnetic.url, {})
        return str(place.absolute()) if isinstance(place, Path) else place.url

    def buckets_of(self, account: str, environment: Mapping[str, str]) -> dict[str, Path | S3Location]:
        """The places of the buckets that an account may use, by name. Raises MagneticTierError."""
        return {bucket.name: locate(bucket.url, environment) for bucket in self.buckets if account in bucket.accounts}

    @property
    def rule_files(self) -> list[Path]:
        """The existing rule files, each once, in the order of the patterns and then of names.

        A name without * ? [ is included even if the file does not exist, so that loading it reports that it is missing.
        """
        return list(dict.fromkeys(file for pattern in self.rules for file in self.rule_files_of(pattern)))

    @staticmethod
    def rule_files_of(pattern: str) -> list[Path]:
        """The files of one pattern."""
        # Path.glob takes no absolute patterns
        matches = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]  # noqa: PTH207
        return [Path(match).absolute() for match in matches]

    @property
    def listener_tls(self) -> TlsFiles | None:
        """The TLS files of the listener."""
        tls = self.listener.tls
        if tls is None:
            return None
        return TlsFiles("listener.tls", tls.certificate, tls.key, tls.client_ca, tls.require_client_certificate)

    @property
    def http_tls(self) -> TlsFiles | None:
        """The TLS files of HTTP."""
        tls = self.http.tls
        return None if tls is None else TlsFiles("http.tls", tls.certificate, tls.key)

    def templates(self) -> dict[tuple[str, str], TableSettings]:
        """The settings of every configured table, and of those of the server, by (database, table)."""
        return {
            (SYSTEM_DATABASE, TABLE): self.alerts.settings,
            **{table.database_and_table: table.settings for table in self.tables},
            **{name: settings for table in self.tables for name, settings in table.rollup_settings.items()},
        }

    @property
    def rollup_tables(self) -> tuple[RollupTable, ...]:
        """The tables that are made of configured ones."""
        return tuple(rollup for table in self.tables for rollup in table.rollup_tables)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about settings that are allowed: one sentence each, for the log at start."""
        reachable = "can be reached from other machines, and there is no"
        found = []
        if not self.listener.address.is_loopback and self.listener.tls is None:
            where = f"listener.address: {self.listener.address}"
            found.append(f"{where} {reachable} listener.tls: passwords travel in the clear")
        if not self.http.address.is_loopback and self.http.tls is None:
            where = f"http.address: {self.http.address}"
            found.append(f"{where} {reachable} http.tls: tokens travel in the clear")
        console = self.console.address
        if console is not None and not console.is_loopback and self.http.tls is None:
            found.append(f"console.address: {console} {reachable} http.tls: tokens travel in the clear")
        return *found, *unreached_warnings(self.tables), *broker_warnings(self.brokers), *self.log.warnings
