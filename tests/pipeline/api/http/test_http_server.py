"""The server's thread: it serves until stopped, and its death by itself is not silent."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from pipeline.api.http.server import HttpServer
from pipeline.base.ports import listen


class Failures(list[BaseException]):
    """What `fail` was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Event()

    def __call__(self, error: BaseException) -> None:
        self.append(error)
        self.came.set()


def test_it_answers_until_it_is_stopped_and_frees_its_port() -> None:
    app, failures = FastAPI(), Failures()
    server = HttpServer(app, listen("127.0.0.1", 0), failures)
    server.start()
    url = f"http://127.0.0.1:{server.address[1]}/openapi.json"
    status = httpx.get(url, timeout=60).status_code
    server.stop()

    assert status == 200
    assert not server.is_alive()
    assert failures == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_application_that_cannot_start_is_handed_to_fail() -> None:
    """The log cannot be opened, say: without this the worker would go on, and answer nobody."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        raise OSError("a test lets the start fail")
        yield

    failures = Failures()
    server = HttpServer(FastAPI(lifespan=lifespan), listen("127.0.0.1", 0), failures)
    server.start()

    assert failures.came.wait(60)
    server.stop()
    assert len(failures) == 1


def test_the_port_can_be_reserved_by_another_process_of_ours() -> None:
    """`up` keeps it while the worker is started again."""
    kept = listen("127.0.0.1", 0)
    served = listen("127.0.0.1", kept.getsockname()[1])

    assert served.getsockname() == kept.getsockname()
    kept.close()
    served.close()
