"""Whatever a receiver answers, the attempt is recorded, the next one comes later, and nothing else happens."""

from __future__ import annotations

import gzip
import logging
from typing import Any

import pytest
from loopback_endpoint import answer, endpoint, until

from pipeline.alerting.receivers import http as http_module
from pipeline.alerting.receivers import retry_policy

BOMB = gzip.compress(b"\0" * 50_000_000, compresslevel=1)
RETRY_AFTER = (
    *("99999999999999999999", "-1", "1.5", "1e400", "NaN", "\u00b2", "0x10", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"),
    *("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "," * 9_000),
    *("Thu, 01 Jan 1970 00:00:00 -9999", "Mon, 01 Jan 2024 99:99:99 GMT", "\t", "0" * 50_000),
)
ANSWERS: dict[str, bytes] = {
    "nothing": b"",
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a negative status": b"HTTP/1.1 -200 OK\r\n\r\n",
    "a status that does not exist": b"HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n",
    "no reason, no version": b"HTTP/ 500\r\n\r\n",
    "zero bytes": b"\0" * 5_000,
    "a header of a megabyte": b"HTTP/1.1 500 X\r\nx: " + b"y" * 1_000_000 + b"\r\n\r\n",
    "a hundred thousand headers": b"HTTP/1.1 500 X\r\n" + b"x: y\r\n" * 100_000 + b"\r\n",
    "a header that is not text": b"HTTP/1.1 500 X\r\nx: \xff\xfe\r\nretry-after: \xff\r\ncontent-length: 0\r\n\r\n",
    "no end of the head": b"HTTP/1.1 500 X\r\nx: y",
    "a megabyte of 1xx": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 40_000,
    "a body without an end": b"HTTP/1.1 500 X\r\n\r\n" + b"x" * 5_000_000,
    "a body shorter than its length": b"HTTP/1.1 500 X\r\ncontent-length: 99\r\n\r\nx",
    "a length that is not a number": b"HTTP/1.1 500 X\r\ncontent-length: many\r\n\r\n",
    "a negative length": b"HTTP/1.1 500 X\r\ncontent-length: -5\r\n\r\n",
    "two lengths": b"HTTP/1.1 500 X\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
    "chunks that are none": b"HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello",
    "a chunk of exabytes": b"HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nhello",
    "a gzip bomb": answer(500, "content-encoding: gzip\r\n", BOMB),
    "gzip that is none": answer(500, "content-encoding: gzip\r\n", b"not gzip"),
    "a redirect to the metadata": answer(302, "location: http://169.254.169.254/latest/meta-data\r\n"),
    "a redirect that is no URL": answer(307, "location: ht!tp://[::1\r\n"),
    "sixty cookies": answer(503, "".join(f"set-cookie: a{n}={'x' * 3_000}\r\n" for n in range(20))),
    "an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    **{
        f"Retry-After: {text[:30]}": b"HTTP/1.1 503 X\r\ncontent-length: 0\r\nretry-after: "
        + text.encode("latin-1")
        + b"\r\n\r\n"
        for text in RETRY_AFTER
    },
}


@pytest.mark.parametrize("said", ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_attempt_is_recorded_and_the_next_one_is_not_at_once(
    office: Any, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    async with endpoint() as hook:
        hook.closes = True
        hook.script.append(said)
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)
        delivery = office.deliveries()["a1.firing"]

    assert str(delivery.state) == "queued"
    assert delivery.error
    assert len(delivery.error) <= 400
    first_s = retry_policy.BACKOFF.first_s
    assert first_s / 2 <= (delivery.next_attempt_ns - office.clock()) / 1e9 <= retry_policy.LONGEST_RETRY_AFTER_S
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert len(hook.posted) == 1
    assert "cookie" not in hook.posted[0].headers


async def test_no_more_is_read_than_a_response_needs(office: Any) -> None:
    async with endpoint() as hook:
        hook.script.append(ANSWERS["a megabyte of 1xx"])
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)

    assert office.deliveries()["a1.firing"].error == "ReadError: the answer has more than 262144 bytes"


async def test_an_attempt_that_fails_unexpectedly_counts_as_one(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(http_module, "post", fail)
    async with endpoint() as hook:
        sender = await office.send_to({"growers": hook})
        office.queue(sender, "a1.firing")
        await until(lambda: office.deliveries()["a1.firing"].attempts == 1)

    delivery = office.deliveries()["a1.firing"]
    assert delivery.error == "unexpected: RuntimeError; the log says more"
    assert delivery.next_attempt_ns > office.clock()
