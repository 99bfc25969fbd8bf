from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.support.s3_server import S3Server


@pytest.fixture
def s3_url(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A prefix of an empty bucket, with the environment for AWS's clients."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"test-{secrets.token_hex(6)}"
    s3.make_bucket(bucket)
    return f"s3://{bucket}/some/prefix"


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each kind of storage for the magnetic tier, empty."""
    if request.param == "folder":
        return str(tmp_path / "root")
    found: str = request.getfixturevalue("s3_url")
    return found
