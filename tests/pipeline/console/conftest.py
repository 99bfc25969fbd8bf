from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipeline.config.roles import Role
from tests.support.console_pages import ConsolePages
from tests.support.http_service import HttpService

TOKENS = {"token-of-farm-7": "farm-7", "reader-of-farm-7": "farm-7", "token-of-farm-8": "farm-8"}


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    """Over an API that asks for no token."""
    async with ConsolePages(HttpService(tmp_path)) as made:
        yield made


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    """Over an API that asks for one."""
    async with ConsolePages(HttpService(tmp_path, TOKENS, {"reader-of-farm-7": Role.READ})) as made:
        yield made
