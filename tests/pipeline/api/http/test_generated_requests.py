"""Requests that are made from our own OpenAPI document get answers that it describes, and never one of 5xx."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.http_service import NOW_NS, HttpService

if TYPE_CHECKING:
    import schemathesis


class Sent:
    """A service with something of everything, and the requests that its document describes."""

    def __init__(self, folder: Path, runner: asyncio.Runner) -> None:
        import schemathesis  # for a second

        schemathesis.serializer.alias("application/x-amz-json-1.0", "application/json")
        schemathesis.serializer.alias("application/vnd.apache.arrow.stream", "application/octet-stream")
        self.service = HttpService(folder)
        self._runner = runner
        self._running = self.service.app.router.lifespan_context(self.service.app)
        runner.run(self._running.__aenter__())
        readings = [{"ts": NOW_NS, "temperature": 20.5}, b"{"]
        runner.run(self.service.publish("greenhouse/eu/gh-1/north/s1", *readings))
        self.service.alert("a1")
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self.service.app), base_url="http://x")
        self.document = self.service.app.openapi()
        schema = schemathesis.openapi.from_dict(self.document).exclude(path=_endless(self.document))
        self.cases = st.one_of([found.ok().as_strategy() for found in schema.get_all_operations()])

    def send(self, case: schemathesis.Case) -> httpx.Response:
        """The answer to a request."""
        made = case.as_transport_kwargs(base_url="http://x")
        request = {name: made[name] for name in ("method", "url", "params", "headers", "json") if name in made}
        return self._runner.run(self._client.request(**request, content=made.get("data")))

    def close(self) -> None:
        """End it."""
        self._runner.run(self._client.aclose())
        self._runner.run(self._running.__aexit__(None, None, None))
        self.service.close()


def _endless(document: dict[str, Any]) -> list[str]:
    """The paths of streams of events, which have no end."""
    gets = {path: of["get"] for path, of in document["paths"].items() if "get" in of}
    return [path for path, get in gets.items() if "text/event-stream" in get["responses"]["200"]["content"]]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    with asyncio.Runner() as runner:
        made = Sent(tmp_path_factory.mktemp("service"), runner)
        yield made
        made.close()


@given(data=st.data())
def test_every_answer_is_one_that_the_document_describes(sent: Sent, data: st.DataObject) -> None:
    case = data.draw(sent.cases)

    response = sent.send(case)

    described = sent.document["paths"][case.operation.path][case.method.lower()]["responses"]
    assert response.status_code < 500, response.text
    assert str(response.status_code) in described, response.text
