"""A file, an environment, and what `load` says to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from pipeline.config.load import load
from pipeline.config.model import Config


@pytest.fixture
def loads(tmp_path: Path) -> Callable[..., Config]:
    """The configuration of a text, in a folder of its own."""

    def of(text: str, environ: Mapping[str, str] | None = None, options: Mapping[str, str] | None = None) -> Config:
        path = tmp_path / "streamgauge.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, environ or {}, options or {}).config

    return of


@pytest.fixture
def refuses(tmp_path: Path, loads: Callable[..., Config]) -> Callable[..., list[str]]:
    """The lines of the refusal, the folder left out."""

    def of(text: str, environ: Mapping[str, str] | None = None, options: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as refusal:
            loads(text, environ, options)
        return str(refusal.value).replace(f"{tmp_path}/", "").splitlines()

    return of
