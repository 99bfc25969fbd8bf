"""Errors of a bucket become one of two errors for each client: one for the operator, or a temporary one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from store.engine.duck import run
from store.errors import MagneticTierError, MagneticUnavailable, QueryFailed, StoreError
from store.magnetic.delta import DeltaHandle
from store.objects import s3, s3_files
from store.objects.location import S3Location
from store.objects.s3 import S3Objects
from store.objects.s3_errors import explained

REFUSALS = [
    ("AccessDenied", 403, "do not allow it"),
    ("InvalidAccessKeyId", 403, "compare AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ("SignatureDoesNotMatch", 403, "compare AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ("NoSuchBucket", 404, "there is no such bucket: create it"),
    ("MethodNotAllowed", 405, ""),
    ("PermanentRedirect", 301, "set AWS_REGION"),
]
PASSING = [("SlowDown", 503), ("InternalError", 500)]


class Answering(BaseHTTPRequestHandler):
    """Responds to every request with one S3 error."""

    code, status = "AccessDenied", 403

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        body = self.document().encode()
        self.send_response(self.status)
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def document(self) -> str:
        return f"<Error><Code>{self.code}</Code><Message>told so</Message></Error>"

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815  # names of http.server

    def log_message(self, *_: object) -> None:
        """Do not log to standard error."""


class Repeating(Answering):
    """Always responds with the same page of a list, and that there is another."""

    status = 200
    names = ""

    def document(self) -> str:
        page = "<IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken>"
        return f"<ListBucketResult><Name>b</Name><Prefix/>{page}{self.names}</ListBucketResult>"


@contextmanager
def bucket(code: str, status: int) -> Iterator[S3Location]:
    with answered_by(type("Answering", (Answering,), {"code": code, "status": status})) as location:
        yield location


@contextmanager
def answered_by(handler: type[Answering]) -> Iterator[S3Location]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield S3Location("bucket", "p", "us-east-1", f"http://127.0.0.1:{server.server_port}", "key", "secret")
        finally:
            server.shutdown()
            thread.join()


def pyarrow_writes(location: S3Location) -> None:
    with s3_files.errors(location, "a", "written"):
        s3_files.filesystem(location).open_output_stream(location.key("a")).close()


def duckdb_reads(location: S3Location) -> None:
    schema = pa.schema([("a", pa.int64())])
    rows = ds.dataset(
        [location.key("a.parquet")], schema=schema, format="parquet", filesystem=s3_files.filesystem(location)
    )
    with duckdb.connect() as cursor:
        cursor.register("rows", rows)
        run(cursor, "SELECT sum(a) FROM rows")


CLIENTS: dict[str, tuple[Callable[[S3Location], object], type[StoreError]]] = {
    "obstore lists": (lambda location: S3Objects(location).list("folder"), MagneticTierError),
    "obstore creates": (lambda location: S3Objects(location).create("a", b"x"), MagneticTierError),
    "pyarrow writes": (pyarrow_writes, MagneticTierError),
    "deltalake opens": (DeltaHandle.open, MagneticTierError),
    "deltalake creates": (lambda location: DeltaHandle.create(location, []), MagneticTierError),
    "duckdb reads": (duckdb_reads, QueryFailed),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("code", "status", "remedy"), REFUSALS)
def test_what_the_bucket_refuses_is_the_operators(client: str, code: str, status: int, remedy: str) -> None:
    """Who is told what to do about it, where that is known, in one line."""
    asks, expected = CLIENTS[client]

    with bucket(code, status) as location, pytest.raises(expected) as caught:
        asks(location)

    told = str(caught.value)
    assert not isinstance(caught.value, MagneticUnavailable)
    assert remedy in told or client == "duckdb reads"  # it asks by HEAD, and the answer has no code
    assert ("\n" in told, "Debug source" in told) == (False, False)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("code", "status"), PASSING)
def test_what_may_pass_is_tried_again(client: str, code: str, status: int) -> None:
    with bucket(code, status) as location, pytest.raises(MagneticUnavailable):
        CLIENTS[client][0](location)


def test_without_keys_a_machine_without_a_role_is_told_which_to_set() -> None:
    """The libraries ask for the role of a machine then, at an address of which the operator has never heard."""
    asked = "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 1s - HTTP error"

    told = explained(f"{asked}\n\nDebug source:\nGeneric {{\n")

    assert (
        told
        == f"there are no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as this machine has no role ({asked})"
    )


@pytest.mark.parametrize("client", CLIENTS)
def test_a_bucket_that_nobody_answers_for_is_away(client: str) -> None:
    with bucket(*PASSING[0]) as location:
        pass  # its port is free again

    with pytest.raises(MagneticUnavailable):
        CLIENTS[client][0](location)


ONE_NAME = "<Contents><Key>p/a</Key><LastModified>2026-11-23T10:00:00Z</LastModified><Size>1</Size></Contents>"


@pytest.mark.parametrize(("names", "said"), [("", "0.5 s without a name"), (ONE_NAME * 1_000, "bring no new ones")])
def test_a_list_whose_pages_repeat_for_ever_is_given_up(names: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PAGE_TIMEOUT_S", 0.5)

    repeating = answered_by(type("Named", (Repeating,), {"names": names}))
    with repeating as location, pytest.raises(MagneticUnavailable, match=said):
        S3Objects(location).list("")
