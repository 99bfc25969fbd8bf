"""`dial`: opens a socket to a broker, including TLS, without blocking the event loop.

paho itself connects only with blocking calls, which would delay the devices at the listener.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial

from pipeline.base.errors import ConfigError
from pipeline.config.brokers import Broker, BrokerTls
from pipeline.gateway.brokers.trouble import HandshakeCut

DIAL_TIMEOUT_S = 10.0


def tls_context(tls: BrokerTls | None) -> ssl.SSLContext:
    """The TLS context of a broker. The files are read each time, so renewed ones are used from the next connection on.

    Raises ConfigError if one cannot be used.
    """
    tls = tls or BrokerTls()
    context = ssl.create_default_context()
    try:
        if tls.ca is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # then the system's CAs are not trusted
            context.load_verify_locations(tls.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls.ca: {tls.ca}: {_why(error)}") from error
    try:
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key, password=_refuse_passphrase)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls.certificate, tls.key: {tls.certificate}, {tls.key}: {_why(error)}") from error
    return context


def _refuse_passphrase() -> str:
    raise ConfigError("tls.key: has a passphrase; keys are read without one")


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not PEM, or they do not belong together ({error.reason or error})"
    return f"cannot be read: {error.strerror}"


async def dial(broker: Broker) -> socket.socket:
    """A connected, non-blocking socket.

    Raises OSError (including TimeoutError and ssl.SSLError), or ConfigError if a TLS file cannot be used.
    """
    context = tls_context(broker.tls) if broker.url.is_secure else None
    async with asyncio.timeout(DIAL_TIMEOUT_S):
        plain = await _connect(broker.url.address.host, broker.url.address.port)
        if context is None:
            return plain
        try:
            return await _secure(plain, context, broker.url.address.host)
        except BaseException:
            plain.close()
            raise


async def _connect(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    refusal: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, address)
        except OSError as error:
            connection.close()
            refusal = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise refusal or OSError(f"{host} has no address")


async def _secure(plain: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    secure = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    loop = asyncio.get_running_loop()
    try:
        while True:
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                await _until(partial(loop.add_reader, secure.fileno()), partial(loop.remove_reader, secure.fileno()))
            except ssl.SSLWantWriteError:
                await _until(partial(loop.add_writer, secure.fileno()), partial(loop.remove_writer, secure.fileno()))
            else:
                return secure
    except (ssl.SSLEOFError, ConnectionResetError, BrokenPipeError) as error:
        secure.close()
        raise HandshakeCut from error
    except BaseException:
        secure.close()
        raise


async def _until(watch: Callable[[Callable[[], None]], object], forget: Callable[[], object]) -> None:
    ready = asyncio.Event()
    watch(ready.set)
    try:
        await ready.wait()
    finally:
        forget()
