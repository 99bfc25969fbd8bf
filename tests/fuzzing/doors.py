"""All doors by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.fuzzing import files, gateway, server, texts
from tests.fuzzing.door import Door

DOORS: Mapping[str, Door] = {**gateway.DOORS, **texts.DOORS, **server.DOORS, **files.DOORS}
CORPUS = Path(__file__).parent / "corpus"
