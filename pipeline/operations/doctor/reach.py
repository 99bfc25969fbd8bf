"""Whether a server on the network can be reached: its name resolves, its port accepts, and its certificate is trusted.

For checks of what streamgauge depends on (brokers, Kafka, object stores). Uses no protocol above TLS.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass

TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Reached:
    """The result: how long the connection (with TLS) took, or what was wrong and the remedy."""

    took_s: float
    wrong: str = ""
    remedy: str = ""


def reach(host: str, port: int, context: ssl.SSLContext | None = None, *, timeout_s: float = TIMEOUT_S) -> Reached:
    """Connect, with TLS if there is a `context`, and close. Blocks for at most `timeout_s` per address."""
    began_s = time.monotonic()

    def failed(wrong: str, remedy: str) -> Reached:
        return Reached(time.monotonic() - began_s, f"{host}:{port}: {wrong}", remedy)

    try:
        with socket.create_connection((host, port), timeout_s) as plain:
            if context is not None:
                context.wrap_socket(plain, server_hostname=host).close()
    except socket.gaierror as error:
        return failed(f"the name is not known: {error.strerror}", "check the spelling, and the DNS of this machine")
    except ssl.SSLCertVerificationError as error:
        return failed(f"its certificate is not trusted: {error.verify_message}", "name its authority in tls: {ca: …}")
    except ssl.SSLError as error:
        return failed(
            f"it does not speak TLS as we do: {error.reason or error}", "check the port and the scheme of the URL"
        )
    except ConnectionRefusedError:
        return failed("nothing listens there", "start it, or see the port")
    except TimeoutError:
        return failed(f"no answer within {timeout_s:g} s", "check firewalls, and whether it runs")
    except OSError as error:
        return failed(error.strerror or str(error), "check the network of this machine")
    return Reached(time.monotonic() - began_s)
