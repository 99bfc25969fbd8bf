"""Transports of Faust for both logs: the embedded one, and Kafka.

Faust's types name the web client of aiohttp, which it never uses here, and whose import reads the certificates of all
public authorities: a tenth of the CPU of a worker's start. So Faust is imported with a stand-in for it.
"""

import importlib
import sys
from types import ModuleType


class NoWebClient:
    """In place of aiohttp's ClientSession."""


def _import_without_web_client() -> None:
    if "aiohttp" in sys.modules:
        return
    stand_ins = {name: ModuleType(name) for name in ("aiohttp", "aiohttp.client")}
    vars(stand_ins["aiohttp.client"])["ClientSession"] = NoWebClient
    sys.modules.update(stand_ins)
    try:
        importlib.import_module("faust.types.web")
    finally:
        for name in stand_ins:
            del sys.modules[name]


_import_without_web_client()
