"""Alerts reach their receivers: signed, in order, again after failures and crashes, and past slow neighbours."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import orjson
import pytest
from loopback_endpoint import Posted, answer, endpoint, until
from standardwebhooks import Webhook, WebhookVerificationError

from pipeline.alerting.archive.alerts import AlertArchive

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def test_a_receiver_can_verify_what_it_is_sent(office: Any) -> None:
    async with endpoint() as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.states() == {"a1.firing": "delivered"})

    (posted,) = hook.posted
    body = Webhook(SECRET).verify(posted.body, posted.headers)
    assert body["type"] == "alert.firing"
    assert posted.headers["webhook-id"] == "a1.firing"
    assert posted.headers["content-type"] == "application/json"
    assert posted.path == "/hook?key=x"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(posted.body.replace(b"a1", b"a2"), posted.headers)


async def test_a_receiver_without_a_secret_gets_no_signature(office: Any) -> None:
    async with endpoint() as hook:
        sender = await office.send_to({"growers": hook}, webhook={"secret": None})
        office.queue(sender, "a1.firing")
        await until(lambda: office.states() == {"a1.firing": "delivered"})

    assert "webhook-signature" not in hook.posted[0].headers


async def until_delivered_after(failures: int, office: Any, clock: Any, sender: Any) -> None:
    """Let the clock pass each wait before the next attempt."""
    for attempts in range(1, failures + 1):
        await until(lambda attempts=attempts: office.deliveries()["a1.firing"].attempts == attempts)
        clock.forward(3)
        sender.wake()
    await until(lambda: office.states() == {"a1.firing": "delivered"})


async def test_what_failed_is_sent_again_under_the_same_id_with_a_fresh_signature(office: Any, clock: Any) -> None:
    async with endpoint(answer(500), answer(503)) as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until_delivered_after(2, office, clock, sender)

    assert hook.ids == ["a1.firing"] * 3
    assert len({posted.headers["webhook-timestamp"] for posted in hook.posted}) == 3
    for posted in hook.posted:
        Webhook(SECRET).verify(posted.body, posted.headers)


async def test_nothing_is_sent_again_before_its_time(office: Any, clock: Any) -> None:
    async with endpoint(answer(500)) as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)
        clock.forward(0.49)
        office.queue(sender, "a2.firing")
        await until(lambda: office.states()["a2.firing"] == "delivered")

    assert hook.ids == ["a1.firing", "a2.firing"]


async def test_what_is_due_later_is_sent_by_itself(office: Any, clock: Any) -> None:
    """No one has to wake the sender for an attempt that was put off."""
    async with endpoint(answer(500)) as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)
        clock.forward(2)
        await until(lambda: office.states() == {"a1.firing": "delivered"})

    assert hook.ids == ["a1.firing"] * 2


async def test_the_queue_survives_its_process(office: Any, clock: Any) -> None:
    async with endpoint(answer(500)) as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)
        await sender.stop()
        office.archive.close()

        office.archive = AlertArchive(office.path)
        clock.forward(3)
        await office.send_to({"growers": hook})
        await until(lambda: office.states() == {"a1.firing": "delivered"})

    assert hook.ids == ["a1.firing"] * 2


async def test_a_slow_endpoint_delays_no_other(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("post", "http"):  # the quick one may take longer than the slow one would be waited for
        monkeypatch.setattr(f"pipeline.alerting.receivers.{part}.TIMEOUT_S", 60.0)
    never = asyncio.Event()

    async def hang(posted: Posted) -> bytes:
        await never.wait()
        return answer(204)

    async with endpoint() as slow, endpoint() as quick:
        slow.before_answer = hang
        sender = await office.send_to({"slow": slow, "quick": quick})
        office.queue(sender, *(f"a{number}.firing" for number in range(20)))
        await until(lambda: set(office.states("quick").values()) == {"delivered"} and len(slow.posted) >= 4)

        assert set(office.states("slow").values()) == {"queued"}
        assert len(slow.posted) == 4
        never.set()
        await until(lambda: set(office.states("slow").values()) == {"delivered"})

    assert sorted(slow.ids) == sorted(quick.ids)
    assert slow.most_open == 4


async def test_a_receiver_hears_of_an_alerts_end_after_its_beginning(office: Any, clock: Any) -> None:
    async with endpoint(answer(500)) as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing", "a1.resolved", "a2.firing", "a2.resolved")
        await until(lambda: list(office.states().values()).count("delivered") >= 2)
        clock.forward(3)
        sender.wake()
        await until(lambda: set(office.states().values()) == {"delivered"})

    delivered = hook.ids[1:]
    assert delivered.index("a1.firing") < delivered.index("a1.resolved")
    assert delivered.index("a2.firing") < delivered.index("a2.resolved")


async def test_nothing_is_sent_twice_that_was_taken(office: Any) -> None:
    async with endpoint() as hook:
        sender = await office.send_to({"growers": hook})
        for number in range(50):
            office.queue(sender, f"a{number}.firing", f"a{number}.resolved")
            await asyncio.sleep(0)
        await until(lambda: len(hook.ids) >= 100)
        await until(lambda: len(office.archive.deliveries(state="delivered", limit=1000)) == 100)

    assert len(hook.ids) == len(set(hook.ids)) == 100


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])
async def test_a_private_address_is_refused_unless_it_is_allowed(office: Any, host: str) -> None:
    async with endpoint() as hook:
        sender = await office.send_to({"growers": f"http://{host}:{hook.port}/"})
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)

    assert hook.posted == []
    assert "which is not public: it needs `allow_private: true`" in office.deliveries()["a1.firing"].error


async def test_one_private_address_among_public_ones_is_refused(office: Any) -> None:
    """A name's owner may answer with both, and hope for the second."""

    async def resolve(host: str, port: int) -> list[str]:
        assert host == "hooks.example"
        return ["8.8.8.8", "169.254.169.254"]

    sender = await office.send_to({"growers": "https://hooks.example/"}, resolve=resolve)
    office.queue(sender, "a1.firing")
    await until(lambda: office.deliveries()["a1.firing"].attempts == 1)

    assert "169.254.169.254" in office.deliveries()["a1.firing"].error


async def test_a_name_is_resolved_once_and_its_next_address_is_tried(office: Any) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2", "127.0.0.1"]  # nothing listens on the first

    async with endpoint() as hook:
        url = {"url": f"http://hooks.example:{hook.port}/", "allow_private": True}
        sender = await office.send_to({"growers": ""}, webhook=url, resolve=resolve)
        await until(lambda: asked == ["hooks.example"])  # the look at the start
        asked.clear()
        office.queue(sender, "a1.firing")
        await until(lambda: office.states() == {"a1.firing": "delivered"})

    assert asked == ["hooks.example"]
    assert hook.posted[0].headers["host"] == f"hooks.example:{hook.port}"


@pytest.mark.parametrize(("name", "state"), [("localhost", "delivered"), ("other.example", "queued")])
async def test_a_certificate_is_checked_against_the_name_not_the_address(office: Any, name: str, state: str) -> None:
    pem = Path(__file__).parent / "files" / "localhost.pem"
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pem)

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with endpoint(tls=tls) as hook:
        url = {"url": f"https://{name}:{hook.port}/", "allow_private": True}
        trust = ssl.create_default_context(cafile=pem)
        sender = await office.send_to({"growers": ""}, webhook=url, resolve=resolve, ssl_context=trust)
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)

    assert office.states() == {"a1.firing": state}


async def test_a_redirect_is_not_followed_but_told(office: Any) -> None:
    async with endpoint() as target, endpoint() as hook:
        to = f"http://bob:pass@127.0.0.1:{target.port}/hook/?key=x"
        hook.script = [answer(307, f"location: {to}\r\n")]
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)

    assert target.posted == []
    told = f"HTTP 307: redirects to http://127.0.0.1:{target.port}/hook/, which is not followed; make that the url"
    assert office.deliveries()["a1.firing"].error == told


async def test_gone_is_given_up_at_once_and_says_so(office: Any) -> None:
    async with endpoint(answer(410, body=b"moved\x00 away")) as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.states() == {"a1.firing": "given_up"})

    assert office.deliveries()["a1.firing"].error == "HTTP 410: moved  away"


async def test_an_endless_answer_is_not_read_to_its_end(office: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    async with endpoint(head + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 32) as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.states() == {"a1.firing": "delivered"})


@pytest.mark.parametrize("odd", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", b""])
async def test_an_answer_that_is_no_http_is_a_failed_attempt(office: Any, odd: bytes) -> None:
    async with endpoint(odd) as hook:
        hook.closes = True
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)

    assert office.states() == {"a1.firing": "queued"}


async def test_a_request_under_way_may_end_when_the_sender_stops(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.alerting.receivers.sender.GRACE_S", 60.0)
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def wait(posted: Posted) -> bytes:
        arrived.set()
        await go_on.wait()
        return answer(204)

    async with endpoint() as hook:
        hook.before_answer = wait
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await arrived.wait()
        stopping = asyncio.create_task(sender.stop())
        for _ in range(100):  # long enough for `stop` to have come to its last wait
            await asyncio.sleep(0)
        go_on.set()
        await stopping

    assert office.states() == {"a1.firing": "delivered"}


async def test_the_body_is_the_event_as_it_was_queued(office: Any) -> None:
    async with endpoint() as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.states() == {"a1.firing": "delivered"})

    assert orjson.loads(hook.posted[0].body)["data"]["note"] == "°"


async def test_what_was_given_up_is_tried_again_for_another_day(office: Any, clock: Any) -> None:
    async with endpoint(answer(410)) as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.states() == {"a1.firing": "given_up"})
        clock.forward(48 * 3600)
        office.retry(sender)
        await until(lambda: office.states() == {"a1.firing": "delivered"})

    assert hook.ids == ["a1.firing"] * 2


async def test_the_beginning_of_an_alert_whose_end_was_delivered_is_not_tried_again(office: Any) -> None:
    """Nor is what was delivered."""
    async with endpoint(answer(410)) as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing", "a1.resolved", "a2.firing")
        await until(lambda: list(office.states().values()).count("delivered") == 2)

    assert {name for name, state in office.states().items() if state == "given_up"} <= {"a1.firing", "a2.firing"}
    assert {delivery.id for delivery in office.archive.failed_deliveries(account="default")} <= {"a2.firing"}


async def test_what_is_secret_in_a_url_is_not_in_the_error(office: Any) -> None:
    """Whatever the endpoint says back."""
    async with endpoint() as hook:
        url = f"http://al:s3cr%40t@127.0.0.1:{hook.port}/longsecret/x?token=a%2Fbcd"
        hook.script = [answer(401, body=b"al s3cr@t at /longsecret/x?token=a%2Fbcd or a/bcd")]
        sender = await office.send_to({"growers": ""}, webhook={"url": url, "allow_private": True})
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)

    assert office.deliveries()["a1.firing"].error == "HTTP 401: al *** at /***?*** or ***"


async def test_the_first_failure_and_the_first_success_after_it_are_told(
    office: Any, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pipeline.alerting.receivers.sender")
    async with endpoint(answer(404), answer(404)) as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until_delivered_after(2, office, clock, sender)

    where = f"growers (http://127.0.0.1:{hook.port}/***?***)"
    assert [record.getMessage() for record in caplog.records] == [
        f"an alert could not be delivered to {where}: HTTP 404; it is tried again for a day",
        f"alerts reach {where} again",
    ]


async def test_a_private_address_is_told_before_there_is_an_alert(
    office: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await office.send_to({"growers": "http://127.0.0.1:9/"})
    await until(lambda: bool(caplog.records))

    assert "127.0.0.1 has the address 127.0.0.1, which is not public" in caplog.text


async def test_no_cookie_of_an_endpoint_is_sent_back(office: Any, clock: Any) -> None:
    async with endpoint(answer(503, "set-cookie: a=b\r\n")) as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)
        clock.forward(3)
        sender.wake()
        await until(lambda: office.states() == {"a1.firing": "delivered"})

    assert "cookie" not in hook.posted[1].headers


async def test_what_a_clock_that_was_ahead_put_off_is_sent_after_a_start(office: Any, clock: Any) -> None:
    async with endpoint() as hook:
        sender = await office.send_to({"growers": hook})
        await sender.stop()
        clock.forward(3600)
        office.queue(sender, "a1.firing")
        clock.forward(-3600)
        await office.send_to({"growers": hook})
        await until(lambda: office.states() == {"a1.firing": "delivered"})
