"""`dial`: opens a socket to a broker, including TLS, without blocking the event loop.

paho itself connects only with blocking calls, which would delay the devices at the listener.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial

from pipeline.config.broker_tls import broker_context
from pipeline.config.brokers import Broker
from pipeline.gateway.brokers.trouble import HandshakeCut

DIAL_TIMEOUT_S = 10.0


async def dial(broker: Broker) -> socket.socket:
    """A connected, non-blocking socket.

    Raises OSError (including TimeoutError and ssl.SSLError), or ConfigError if a TLS file cannot be used.
    """
    context = broker_context(broker.tls) if broker.url.is_secure else None
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
