"""Imports point down: wings of `pipeline`, rooms of `rules`, levels of `store` are layers; no folder is in a cycle."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest
from our_code import PACKAGES, ROOT, Import, all_imports

# Which may import which, lowest first; a dotted entry allows that module alone. docs/development.md shows the same.
PIPELINE = {
    "base": "",
    "log": "base",
    "config": "base log",
    "stream": "base log config",
    "alerting": "base log config",
    "cluster": "base log stream",
    "api": "base log config stream alerting cluster",
    "gateway": "base log config stream.partitioning api.http.metrics_server",
    "worker": "base log config stream alerting cluster api",
    "console": "base",
    "operations": "base log config alerting gateway worker console",
}
STORE = {
    "objects": "",
    "engine": "objects.s3_errors",
    "layout": "objects",
    "catalog": "engine objects layout",
    "memory": "engine layout catalog",
    "magnetic": "engine objects layout catalog memory",
    "state": "objects layout catalog memory",
    "reading": "engine objects layout catalog memory magnetic",
    "table": "engine objects layout catalog memory magnetic state reading",
    "backup": "objects magnetic",
    "sql": "catalog reading",
    "processes": "engine objects catalog magnetic reading sql",
    "unload": "objects reading sql",
    "endpoint": "objects catalog reading sql processes unload",
}
RULES = {
    "values": "",
    "definition": "values",
    "detectors": "values",
    "kinds": "values definition detectors",
    "rule": "definition kinds",
    "files": "definition kinds rule",
    "saved": "values definition kinds rule",
    "alerts": "values definition kinds rule saved",
    "rule_warnings": "definition kinds rule alerts",
    "silence": "values definition kinds rule saved alerts",
    "evaluation": "values definition kinds rule saved alerts rule_warnings silence",
    "engine": "values kinds rule saved alerts rule_warnings evaluation",
    "replaying": "values definition files kinds rule alerts evaluation engine",
    "unit_tests": "definition files rule alerts replaying",
}
LAYERS = {"pipeline": PIPELINE, "rules": RULES, "store": STORE}
# What stands below them all, and imports nothing else of its package
GROUND = {
    "pipeline": set[str](),
    "rules": {"errors"},
    "store": {"errors", "host_time", "names", "record", "record_size", "sequence", "values"},
}
# Loose files beside those compose a whole of the levels: they import what they like, and stand above
DEVELOPMENT = ROOT / "docs" / "development.md"


def test_no_layer_names_one_above_it() -> None:
    """So each table is itself an order, and what keeps to it has no cycle."""
    for layers in LAYERS.values():
        lower: set[str] = set()
        for layer, allowed in layers.items():
            assert {entry.split(".")[0] for entry in allowed.split()} <= lower, layer
            lower.add(layer)


@pytest.mark.parametrize("package", LAYERS)
def test_every_folder_of_the_package_is_in_a_layer(package: str) -> None:
    parts = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}

    assert parts - GROUND[package] == LAYERS[package].keys() - {path.stem for path in (ROOT / package).glob("*.py")}


def documented() -> dict[str, tuple[str, str]]:
    """What docs/development.md says of each layer: what it imports, and what is in it."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\| ([^|]*) \|$", DEVELOPMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (" ".join(re.findall(r"`([\w.]+)`", allowed)), text) for name, allowed, text in rows}


def test_the_map_in_the_documents_is_this_one() -> None:
    assert {name: allowed for name, (allowed, _) in documented().items()} == PIPELINE | RULES | STORE


def test_each_folder_within_a_layer_is_in_the_documents_and_there() -> None:
    for package, layers in LAYERS.items():
        for layer in layers:
            named = set(re.findall(r"`(\w+)/`", documented()[layer][1]))
            folders = {path.parent.name for path in (ROOT / package / layer).glob("*/__init__.py")}
            assert named == folders, layer


@pytest.mark.parametrize("package", LAYERS)
def test_a_layer_imports_only_what_is_allowed_to_it(package: str) -> None:
    wrong = [found for found in all_imports() if is_beyond_its_layer(found, package)]

    assert not wrong, "\n".join(map(str, wrong))


def is_beyond_its_layer(found: Import, package: str) -> bool:
    if not found.path.startswith(f"{package}/") or not found.is_of(package):
        return False
    layer, target = child(module_of(found), package), child(found.target, package)
    if layer not in LAYERS[package].keys() | GROUND[package] or target in {layer, *GROUND[package]}:
        return False
    allowed = LAYERS[package].get(layer, "").split()
    return target != "" and not any(found.is_of(f"{package}.{part}") for part in allowed)


def module_of(found: Import) -> str:
    return found.path.removesuffix(".py").replace("/", ".")


def child(module: str, folder: str) -> str:
    """The part of `folder` that `module`, or a name in it, belongs to; "" is the folder's own face, `__init__`."""
    part = module.removeprefix(f"{folder}.").split(".")[0] if module != folder else ""
    place = ROOT / folder.replace(".", "/") / part
    return part if part != "__init__" and (place.is_dir() or place.with_suffix(".py").exists()) else ""


def folders() -> list[str]:
    return sorted(
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
    )


@pytest.mark.parametrize("folder", folders())
def test_no_folder_within_a_folder_is_in_a_cycle(folder: str) -> None:
    """Whether straight to each other or through files that lie loose beside them, or through the folder's face."""
    arrows: dict[str, dict[str, list[Import]]] = defaultdict(lambda: defaultdict(list))
    for found in all_imports():
        module = module_of(found)
        if module.startswith(f"{folder}.") and found.is_of(folder):
            source, target = child(module, folder), child(found.target, folder)
            if source != target:
                arrows[source][target].append(found)
    below = {part: reached_from(part, arrows) for part in arrows}
    cycles = {part: {other for other in below[part] if part in below.get(other, ())} for part in arrows}

    wrong = [
        found
        for source, targets in arrows.items()
        for target, imports in targets.items()
        if target in cycles[source] and any(is_folder(folder, part) for part in cycles[source])
        for found in imports
    ]

    assert not wrong, "\n".join(map(str, wrong))


def reached_from(start: str, arrows: dict[str, dict[str, list[Import]]]) -> set[str]:
    found: set[str] = set()
    pending = [start]
    while pending:
        for target in arrows.get(pending.pop(), {}):
            if target not in found:
                found.add(target)
                pending.append(target)
    return found


def is_folder(folder: str, part: str) -> bool:
    return part != "" and (ROOT / folder.replace(".", "/") / part).is_dir()
