"""A file of authorities that cannot be used is refused when the worker starts, by the name of its setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from pipeline.cluster.client import PeerAccess, PeerClient


def test_authorities_that_cannot_be_read_are_refused_by_their_setting(tmp_path: Path) -> None:
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.write_text("")

    with pytest.raises(ConfigError, match=rf"^peers\.ca: {missing}: cannot be read: No such file"):
        PeerClient(PeerAccess(None, "tier", missing))
    with pytest.raises(ConfigError, match=rf"^peers\.ca: {empty}: no certificates in PEM"):
        PeerClient(PeerAccess(None, "tier", empty))
