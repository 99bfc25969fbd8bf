"""The scripts of others are those that were published, and each has its licence beside it."""

from __future__ import annotations

import hashlib

from pipeline.console.rendering import STATIC

VENDOR = STATIC / "vendor"


def test_each_is_as_its_package_has_it() -> None:
    sums = dict(reversed(line.split()) for line in (VENDOR / "SHA256SUMS").read_text().splitlines())

    assert {file.name for file in VENDOR.iterdir() if file.suffix in {".js", ".css"}} == sums.keys()
    for name, digest in sums.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
        assert name in (VENDOR / "LICENSES.txt").read_text()
