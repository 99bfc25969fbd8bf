"""What an error of a connection means: a reason for the metrics, and words with the remedy. Decides; does no I/O."""

from __future__ import annotations

import socket
import ssl

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from pipeline.brokers.errors import BrokerError, BrokerRefused
from pipeline.brokers.settings import BrokerSettings


def cause_of(settings: BrokerSettings, error: Exception) -> BrokerError:
    """The error for what connecting raised."""
    where = settings.name
    match error:
        case BrokerError():
            return error
        case socket.gaierror():
            return BrokerError("dns", f"{settings.host} has no address: {error.strerror}", "is the name right?")
        case ssl.SSLCertVerificationError():
            words = f"the certificate of {where} is not believed: {error.verify_message}"
            return BrokerError("tls", words, "name the authority that signed it as tls.ca, and the host as it has it")
        case ssl.SSLError():
            words = f"TLS with {where} failed: {error.reason or error}"
            return BrokerError("tls", words, "is it a port for TLS, and does it want a certificate (tls.certificate)?")
        case TimeoutError():
            words = f"{where} did not answer within {settings.connect_timeout_s:g} s"
            return BrokerError("timeout", words, "is it running, and does a firewall let us through?")
        case ConnectionRefusedError():
            return BrokerError("refused", f"nothing listens at {where}", "is it running, and is the port right?")
        case OSError():
            return BrokerError("network", f"{where}: {error.strerror or error}")
        case _:
            return BrokerError("error", f"{where}: {type(error).__name__}: {error}")


def refused_connect(settings: BrokerSettings, code: ReasonCode) -> BrokerRefused:
    """The error for a CONNACK that is a no."""
    who = "as nobody in particular" if settings.username is None else f'as "{settings.username}"'
    words = f"{settings.name} does not let us in {who}: {code}"
    match code.value:
        case 0x86:
            return BrokerRefused("bad_credentials", words, "set username and password as the broker has them")
        case 0x87:
            return BrokerRefused("not_authorized", words, "the broker wants other credentials, or has no right for us")
        case 0x84:
            return BrokerRefused("version", words, "set version: 3.1.1")
        case 0x85:
            return BrokerRefused("client_id", words, "set a client_id that the broker accepts")
        case 0x89 | 0x88:
            return BrokerRefused("busy", words)
        case _:
            return BrokerRefused("refused_connect", words)


def refused_filter(settings: BrokerSettings, topic_filter: str, code: ReasonCode) -> BrokerRefused:
    """The error for a SUBACK that is a no to one filter."""
    words = f'{settings.name} refuses the subscription to "{topic_filter}": {code}'
    if code.value == 0x9E:
        return BrokerRefused("subscription", words, "it knows no shared subscriptions; remove group")
    return BrokerRefused("subscription", words, "give this user the right to subscribe to it")


def lost(settings: BrokerSettings, code: ReasonCode, *, by_broker: bool) -> BrokerError:
    """The error for a connection that was there and has gone."""
    if by_broker and code.value == 0x8E:
        remedy = "another client has our client_id; each gateway needs its own"
        return BrokerError("taken_over", f"{settings.name} gave our session to another connection", remedy)
    if by_broker:
        return BrokerError("closed", f"{settings.name} closed the connection: {code}")
    return BrokerError("lost", f"the connection to {settings.name} was cut")


def silent(settings: BrokerSettings, seconds: float) -> BrokerError:
    """The error for a broker that says nothing any more."""
    return BrokerError("keep_alive", f"{settings.name} was silent for {seconds:.0f} s")


def no_answer(settings: BrokerSettings) -> BrokerError:
    """The error for a broker that accepts the connection and does not answer CONNECT or SUBSCRIBE."""
    return cause_of(settings, TimeoutError())


def is_granted(code: ReasonCode) -> bool:
    """Whether a code of a SUBACK is a yes."""
    return code.packetType == PacketTypes.SUBACK and code.value < 0x80
