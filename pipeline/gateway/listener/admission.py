"""Whether a CONNECT is accepted, and the CONNACK for it. Decides; does no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.gateway.listener.accounts import Accounts
from pipeline.gateway.listener.settings import ListenerSettings
from pipeline.gateway.mqtt.codes import ReasonCode, Version
from pipeline.gateway.mqtt.encode import connack
from pipeline.gateway.mqtt.packets import Connect
from pipeline.gateway.mqtt.properties import Property


@dataclass(frozen=True, slots=True)
class Admitted:
    """The connection belongs to `client_id` of `account`."""

    account: str
    client_id: str
    connack: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """`reason` is a metric label, `detail` for people."""

    reason: str
    detail: str
    connack: bytes


def admit(
    connect: Connect,
    accounts: Accounts,
    settings: ListenerSettings,
    *,
    is_busy: bool,
    fresh_id: str,
    certified: str | None = None,
) -> Admitted | Refused:
    """The response to `connect`.

    `fresh_id` becomes the client id of a client without one; `certified` is the common name of its verified
    certificate.
    """
    if is_busy:
        return _refused(connect, "busy", ReasonCode.SERVER_BUSY, "the log is full or slow; try again later")
    if connect.authentication_method is not None:
        detail = f"authentication method {connect.authentication_method[:80]!r}; none is known here"
        return _refused(connect, "authentication_method", ReasonCode.BAD_AUTHENTICATION_METHOD, detail)
    if not connect.client_id and connect.version is Version.V3_1_1 and not connect.clean_start:  # 3: 3.1.3.1
        detail = "an empty client id, and clean session 0"
        return _refused(connect, "client_id", ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, detail)
    if connect.will is not None:
        size = len(connect.will.mqtt_topic.encode())
        if size > settings.max_topic_bytes:
            detail = f"a will's topic of {size} bytes; {settings.max_topic_bytes} are allowed"
            return _refused(connect, "will_topic", ReasonCode.TOPIC_NAME_INVALID, detail)
    account = accounts.account_of(connect.username, connect.password, certified)
    if account is None:
        if certified is not None and connect.username in {None, "", certified} and connect.password is None:
            detail = f"no user with certificate: true is called {certified[:80]!r}, its certificate's common name"
            return _refused(connect, "certificate", ReasonCode.BAD_USER_NAME_OR_PASSWORD, detail)
        if connect.username is None:
            detail = "no user name; this listener has users"
            return _refused(connect, "anonymous", ReasonCode.NOT_AUTHORIZED, detail)
        return _refused(connect, "credentials", ReasonCode.BAD_USER_NAME_OR_PASSWORD, "bad user name or password")
    client_id = connect.client_id or fresh_id
    answer = connack(connect.version, ReasonCode.SUCCESS, _limits(connect, settings, client_id))
    return Admitted(account, client_id, answer)


def _refused(connect: Connect, reason: str, code: ReasonCode, detail: str) -> Refused:
    return Refused(reason, detail, connack(connect.version, code, {Property.REASON_STRING: detail}))


def _limits(connect: Connect, settings: ListenerSettings, client_id: str) -> dict[Property, int | str]:
    limits: dict[Property, int | str] = {
        # No maximum QoS means 2. No maximum packet size, because a client would drop larger messages, which we keep as
        # dead letters.
        Property.RECEIVE_MAXIMUM: settings.receive_maximum,
        Property.TOPIC_ALIAS_MAXIMUM: settings.topic_alias_maximum,
    }
    if connect.session_expiry_s:  # 5: 3.2.2.3.2: a session ends with its connection, so a will is not delayed
        limits[Property.SESSION_EXPIRY_INTERVAL] = 0
    if not connect.client_id:
        limits[Property.ASSIGNED_CLIENT_IDENTIFIER] = client_id
    return limits
