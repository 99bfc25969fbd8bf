"""Who is let in, and what CONNACK says."""

from __future__ import annotations

import pytest
from byte_devices import Listen, Listener, until
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pipeline.gateway.listener.session import NEW
from pipeline.gateway.listener.settings import User
from pipeline.gateway.mqtt.codes import Version
from pipeline.gateway.mqtt.fields import encode_binary, encode_text
from tests.support.mqtt_packets import connect, packet, publish, user_and_password

V3, V5 = Version.V3_1_1, Version.V5
USERS = (User("farm-7", "secret", "farm"), User("lab", "another", "lab"))


def properties_of(connack: bytes) -> dict[str, object]:
    found = Properties(PacketTypes.CONNACK)
    found.unpack(connack[4:])
    json: dict[str, object] = found.json()
    return json


async def answer(listener: Listener, data: bytes) -> bytes:
    device = await listener.dial()
    device.send(data)
    return await device.packet()


async def test_connack_of_version_5_announces_the_limits(listener: Listener) -> None:
    connack = await answer(listener, connect("d", V5))

    assert connack[:4] == bytes((0x20, len(connack) - 2, 0, 0))
    assert properties_of(connack) == {  # no maximum QoS: 2; no maximum packet size: none is refused for it
        "ReceiveMaximum": 4_096,
        "TopicAliasMaximum": 32,
    }


async def test_a_client_without_id_is_given_one_in_version_5(listener: Listener) -> None:
    first, second = [properties_of(await answer(listener, connect("", V5))) for _ in range(2)]

    assert first["AssignedClientIdentifier"] != second["AssignedClientIdentifier"]


async def test_clients_without_id_do_not_take_each_other_over_in_3_1_1(listener: Listener) -> None:
    first = await listener.device("")
    second = await listener.device("")

    first.send(b"\xc0\0")
    second.send(b"\xc0\0")
    await first.receive(b"\xd0\0")
    await second.receive(b"\xd0\0")


async def test_an_empty_id_with_clean_session_0_is_refused_in_3_1_1(listener: Listener) -> None:
    """3: 3.1.3.1."""
    device = await listener.dial()
    device.send(connect("", V3, flags=0))

    assert await device.closed() == b"\x20\2\0\2"


async def test_a_session_is_never_present_and_ends_with_its_connection(listener: Listener) -> None:
    connack = await answer(listener, connect("d", V5, flags=0, properties=b"\x11\0\0\1\0"))

    assert connack[2] == 0
    assert properties_of(connack)["SessionExpiryInterval"] == 0


@pytest.mark.parametrize(
    ("version", "flags", "payload", "code"),
    [
        (V3, 0xC2, user_and_password("farm-7", b"wrong"), 4),
        (V3, 0xC2, user_and_password("nobody", b"secret"), 4),
        (V3, 0xC2, user_and_password("lab", b"secret"), 4),
        (V3, 0x82, encode_text("farm-7"), 4),
        (V3, 0x02, b"", 5),
        (V5, 0xC2, user_and_password("farm-7", b"wrong"), 0x86),
        (V5, 0x02, b"", 0x87),
        (V5, 0x42, encode_binary(b"secret"), 0x87),
    ],
)
async def test_who_has_no_good_credentials_is_refused(
    listen: Listen, version: Version, flags: int, payload: bytes, code: int
) -> None:
    listener = await listen(users=USERS)
    device = await listener.dial()
    device.send(connect("d", version, flags=flags, payload=payload) + publish("t", b"x", version=version))

    connack = await device.closed()

    assert (connack[0], connack[3]) == (0x20, code)
    assert not listener.payloads


async def test_the_account_comes_from_the_credentials(listen: Listen) -> None:
    listener = await listen(users=USERS)
    for username, password in (("farm-7", b"secret"), ("lab", b"another")):
        device = await listener.device("d", flags=0xC2, payload=user_and_password(username, password))
        device.send(publish("t", b"x", packet_id=1))
        await device.receive(b"\x40\2\0\1")

    assert [account for account, _, _ in listener.messages] == ["farm", "lab"]


async def test_without_users_credentials_are_not_looked_at(listener: Listener) -> None:
    device = await listener.device("d", flags=0xC2, payload=user_and_password("anyone", b"anything"))
    device.send(publish("t", b"x", packet_id=1))
    await device.receive(b"\x40\2\0\1")

    assert listener.messages == [("default", "t", b"x")]


async def test_enhanced_authentication_is_refused(listener: Listener) -> None:
    device = await listener.dial()
    device.send(connect("d", V5, properties=b"\x15\0\5SCRAM"))

    assert (await device.closed())[3] == 0x8C


@pytest.mark.parametrize(("level", "answer"), [(3, b"\x20\2\0\1"), (6, b"\x20\3\0\x84\0")])
async def test_another_protocol_level_is_refused_in_the_version_nearest_to_it(
    listener: Listener, level: int, answer: bytes
) -> None:
    device = await listener.dial()
    device.send(packet(0x10, b"\0\4MQTT" + bytes((level, 2, 0, 0, 0, 0))))

    assert await device.closed() == answer


@pytest.mark.parametrize("data", [b"HELLO there\r\n\r\n", publish("t", b"x"), b"\x16\x03\x01\x02\x00"])
async def test_what_does_not_begin_with_connect_is_closed_without_a_word(listener: Listener, data: bytes) -> None:
    device = await listener.dial()
    device.send(data)

    assert await device.closed() == b""


async def test_a_second_connect_is_a_protocol_error(listener: Listener) -> None:
    device = await listener.device("d", V5)
    device.send(connect("d", V5))

    assert (await device.closed())[:1] + b"" == b"\xe0"


async def test_who_sends_no_connect_in_time_is_closed(listen: Listen) -> None:
    listener = await listen(connect_timeout_s=2)
    device = await listener.dial()
    device.send(connect("d")[:5])
    await until(lambda: any(session._partial for session in listener.gateway._sessions))
    (session,) = listener.gateway._sessions
    listener.turn(listener.gateway.turns(2) - 1)
    assert session._state == NEW

    listener.turn(1)

    assert await device.closed() == b""


@pytest.mark.parametrize(("version", "goodbye"), [(V3, b""), (V5, b"\x8e")])
async def test_a_client_id_that_comes_again_takes_over(listener: Listener, version: Version, goodbye: bytes) -> None:
    older = await listener.device("d", version)
    newer = await listener.device("d", version)

    assert (await older.closed())[2:3] == goodbye
    newer.send(b"\xc0\0")
    await newer.receive(b"\xd0\0")
    await until(lambda: len(listener.gateway._sessions) == 1)
    await listener.device("d", version)
    assert (await newer.closed())[2:3] == goodbye


async def test_the_same_client_id_in_two_accounts_is_two_devices(listen: Listen) -> None:
    listener = await listen(users=USERS)
    first = await listener.device("d", flags=0xC2, payload=user_and_password("farm-7", b"secret"))
    await listener.device("d", flags=0xC2, payload=user_and_password("lab", b"another"))

    first.send(b"\xc0\0")
    await first.receive(b"\xd0\0")
