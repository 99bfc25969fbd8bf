from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.http_service import HttpService

TOKENS = {"token-of-farm-7": "farm-7", "token-of-farm-8": "farm-8"}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[HttpService]:
    made = HttpService(tmp_path)
    async with made.app.router.lifespan_context(made.app):
        yield made
    made.close()


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[HttpService]:
    """A service that asks for tokens."""
    made = HttpService(tmp_path, TOKENS)
    async with made.app.router.lifespan_context(made.app):
        yield made
    made.close()


@pytest.fixture
async def http(service: HttpService) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client() as client:
        yield client
