"""`Table` has walls: what is inside one is the business of `store/table/` alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from our_code import ROOT, modules, tree_of

INSIDE = ROOT / "store" / "table"

# What others may import of `store/table/`: the wall, the values that pass through it, and decisions about columns.
DOORS = {
    "store.table": {"column_work"},
    "store.table.column_work": {"restate_unit", "retype", "adopt_all", "take_in"},
    "store.table.deleting": {"When"},
    "store.table.deletions": {"Deleted"},
    "store.table.progress": {"Pending"},
    "store.table.table": {"Table", "newest_row_ns"},
}
# What a table is made of: nobody is handed it.
PARTS = {"Core", "MemoryTier", "MagneticTier", "SeriesState", "SupersededTimes", "Columns", "TableColumns", "Progress"}
PARTS |= {"Lock", "RLock", "Chunk", "Duck", "SeriesKeeping", "PartitionPositions"}


def modules_outside() -> Iterator[tuple[str, ast.Module]]:
    for path in modules():
        if not (ROOT / path).is_relative_to(INSIDE):
            yield path, tree_of(path)


def walls() -> Iterator[ast.ClassDef]:
    for file, name in (("table.py", "Table"), ("care.py", "CaredFor")):
        (found,) = (
            n for n in ast.parse((INSIDE / file).read_text()).body if isinstance(n, ast.ClassDef) and n.name == name
        )
        yield found


def test_nobody_outside_imports_what_is_inside_a_table() -> None:
    found = [
        f"{name}: {node.module}.{alias.name}"
        for name, module in modules_outside()
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("store.table")
        for alias in node.names
        if alias.name not in DOORS.get(node.module or "", ())
    ]

    assert found == []


def test_nobody_outside_names_a_private_attribute_of_another_object() -> None:
    found = [
        f"{name}:{node.lineno}: {ast.unparse(node)}"
        for name, module in modules_outside()
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute)
        and node.attr == "_core"
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
    ]

    assert found == []


def test_a_table_keeps_all_that_it_has_to_itself() -> None:
    public = [
        target.attr
        for wall in walls()
        for node in ast.walk(wall)
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute) and not target.attr.startswith("_")
        if isinstance(target.value, ast.Name) and target.value.id == "self"
    ]

    assert public == []


def test_no_call_on_a_table_hands_out_a_part_of_it() -> None:
    found = [
        f"{method.name}: {ast.unparse(method.returns)}"
        for wall in walls()
        for method in wall.body
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_") and method.returns is not None
        if {node.id for node in ast.walk(method.returns) if isinstance(node, ast.Name)} & PARTS
    ]

    assert found == []
