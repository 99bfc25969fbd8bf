"""Makes every Python process below a fault test hasty, and mortal at named moments. Read by Python's `site` at start.

On the path only where `hasty` put it. Nothing of the product is imported here: a module is patched when the product
imports it. A process that comes to the moment named in the file `die-at` removes the file, writes moment and pid to
`struck`, and kills itself with SIGKILL, so that the kill is exactly there and exactly once.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.abc
import importlib.machinery
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.support.at_moments.kill_moments import HASTE, STEPS, Haste, Step

MODULES = {at.module for at in (*STEPS, *HASTE)}


def die_if(moment: str) -> None:
    folder = Path(os.environ["FAULT_FOLDER"])
    order = folder / "die-at"
    try:
        if not moment or order.read_text() != moment:
            return
        order.unlink()
    except FileNotFoundError:
        return
    with (folder / "struck").open("a") as struck:
        struck.write(f"{os.getpid()} {moment}\n")
    os.kill(os.getpid(), signal.SIGKILL)


def make_mortal(module: ModuleType, step: Step) -> None:
    *owners, name = step.name.split(".")
    owner: Any = functools.reduce(getattr, owners, module)
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    def call(*arguments: Any, **options: Any) -> Any:
        die_if(step.before)
        result = original(*arguments, **options)
        die_if(step.after)
        return result

    setattr(owner, name, call)


def hasten(module: ModuleType, haste: Haste) -> None:
    name, _, part = haste.name.partition(".")
    present = getattr(module, name)  # what is not there changes nothing: better no process than a slow one
    setattr(module, name, dataclasses.replace(present, **{part: haste.wanted()}) if part else haste.wanted())


def load_and_patch(load: Callable[[ModuleType], None], module: ModuleType) -> None:
    load(module)
    for step in STEPS:
        if step.module == module.__name__:
            make_mortal(module, step)
    for haste in HASTE:
        if haste.module == module.__name__:
            hasten(module, haste)


class Patcher(importlib.abc.MetaPathFinder):
    """Finds nothing by itself; lets the others find, and patches what they load."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in MODULES:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader.exec_module = functools.partial(  # type: ignore[method-assign]
                    load_and_patch, spec.loader.exec_module
                )
                return spec
        return None


sys.meta_path.insert(0, Patcher())
