"""Checks whether Kafka can be used as the log, and names the problem and its remedy. Creates and changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from pipeline.base.errors import LogError
from pipeline.log import topics
from pipeline.log.kafka.connection import client_arguments
from pipeline.log.kafka.topics import make_topics, topic_states
from pipeline.log.settings import LogSettings


@dataclass(frozen=True, slots=True)
class Reachability:
    """`what` is found or wrong, in one sentence; `remedy` is what to do, empty if all is well."""

    is_ok: bool
    what: str
    remedy: str


async def look_at(settings: LogSettings) -> Reachability:
    """What an appender or a worker would find with these settings. Raises nothing.

    Takes at most twice `request_s` for each server, and once more that after them.
    """
    try:
        arguments = client_arguments(settings)
    except LogError as error:
        return Reachability(False, f"{error}: cannot be read", "name PEM files that this user can read in log.tls")
    failures = [await _connect(settings, server, arguments) for server in settings.servers]
    if all(failures):
        return next(failure for failure in failures if failure is not None)
    client = AIOKafkaAdminClient(**arguments)
    try:
        # twice: the first request ends by itself within `request_s`, and closes its connection
        async with asyncio.timeout(2 * settings.request_s):
            await client.start()
            return await _look_at_topics(client, settings)
    except (KafkaError, LogError, OSError, TimeoutError) as error:
        what = str(error) or type(error).__name__
        return Reachability(
            False, f"Kafka accepts the connection and then fails: {what}", "look at the brokers' own logs"
        )
    finally:
        await client.close()


async def _look_at_topics(client: AIOKafkaAdminClient, settings: LogSettings) -> Reachability:
    brokers = len((await client.describe_cluster())["brokers"])
    found = await topic_states(client, settings)
    missing = [topic for topic in topics.ALL if topic not in found]
    try:
        if missing:
            await make_topics(client, settings, missing, only_ask=True)
    except LogError as error:
        if settings.replication is not None and settings.replication > brokers:
            what = f"log.replication is {settings.replication} copies, and there are {brokers} brokers ({error})"
            return Reachability(False, what, "start more brokers, or lower log.replication")
        names = " ".join(map(settings.kafka_topic, missing))
        remedy = f"let our user create topics, or make {names} by hand (docs/kafka.md says how)"
        return Reachability(False, f"topics are missing and cannot be made: {error}", remedy)
    told = [f"{brokers} broker{'s' if brokers > 1 else ''}"]
    told += [
        f"{topic} ({state.partitions} partition{'s' if state.partitions > 1 else ''}, replication {state.replication})"
        for topic, state in found.items()
    ]
    if missing:
        told.append(f"topics to be made: {' '.join(missing)}")
    return Reachability(True, "; ".join(told), "")


async def _connect(settings: LogSettings, server: str, arguments: dict[str, Any]) -> Reachability | None:
    """Why this broker refuses the connection; None if it does not."""
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    try:
        async with asyncio.timeout(settings.request_s):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    except (OSError, TimeoutError, ValueError) as error:
        return _of_network(server, error)
    try:
        async with asyncio.timeout(settings.request_s):
            known = {name: value for name, value in arguments.items() if name != "bootstrap_servers"}
            connection = await create_conn(host, int(port), **known)
            connection.close()
    except (KafkaError, OSError, TimeoutError) as error:
        return _of_security(settings, server, error)
    return None


def _of_network(server: str, error: BaseException) -> Reachability:
    if isinstance(error, socket.gaierror):
        return Reachability(False, f"{server}: no such host ({error})", "correct the name in log.url, or the DNS")
    if isinstance(error, ConnectionRefusedError):
        remedy = "start the broker, or correct the port in log.url"
        return Reachability(False, f"{server}: the connection is refused: nothing listens there", remedy)
    what = str(error) or "no answer"
    return Reachability(False, f"{server}: cannot be reached ({what})", "look at the network and firewalls on the way")


def _of_security(settings: LogSettings, server: str, error: BaseException) -> Reachability:
    what = str(error) or type(error).__name__
    if _is_behind(error, ssl.SSLCertVerificationError):
        remedy = "name in log.tls.ca the authority that signed the broker's certificate, and in log.url a name it holds"
        return Reachability(False, f"{server}: its certificate is not trusted ({what})", remedy)
    if _is_behind(error, ssl.SSLError):
        remedy = "take another port, one with TLS, or leave out log.tls"
        return Reachability(False, f"{server}: speaks no TLS, or not with us ({what})", remedy)
    if settings.sasl is not None:
        remedy = f"look at log.sasl: user {settings.sasl.username}, mechanism {settings.sasl.mechanism}"
        return Reachability(False, f"{server}: user or password are refused, or the mechanism ({what})", remedy)
    if settings.tls is not None:
        return Reachability(False, f"{server}: no TLS there ({what})", "take a port with TLS, or leave out log.tls")
    remedy = "it may want TLS or a user: look at log.tls and log.sasl"
    return Reachability(False, f"{server}: answers, but not as Kafka in the clear does ({what})", remedy)


def _is_behind(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error of this kind caused `error`."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error is not None
