"""What msgspec knows of a type is made when its module is imported, by one thread.

Where two threads decode a type for the first time, and it contains another, the one that comes second may find the half
of it, and the process ends by a segmentation fault (msgspec 0.22).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from our_code import imports_of, modules, tree_of

MADE_LATER = {"store/endpoint/shapes.py"}
"""Makes a type of its own for each thread that asks, and the decoder before it hands the type out."""


def faults_in(path: str) -> Iterator[str]:
    if not any(found.is_of("msgspec") for found in imports_of(path)):
        return
    tree = tree_of(path)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    for call in {node for function in functions for node in ast.walk(function) if isinstance(node, ast.Call)}:
        name = ast.unparse(call.func)
        is_decode = name in {"msgspec.msgpack.decode", "msgspec.json.decode", "msgspec.convert"}
        if name in {"msgspec.msgpack.Decoder", "msgspec.json.Decoder"} or (
            is_decode and (name == "msgspec.convert" or any(keyword.arg == "type" for keyword in call.keywords))
        ):
            yield f"{path}:{call.lineno} {name}: make a decoder of the type where the module begins"


def test_types_are_known_to_msgspec_before_threads_decode_them() -> None:
    assert [fault for path in modules() if path not in MADE_LATER for fault in faults_in(path)] == []
