"""The map of the code holds: who may import whom, one import site per heavy library, and nothing happens at import."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest
from our_code import PACKAGES, ROOT, all_imports, is_at, modules, tree_of

# What a module of each package may import of the other three (prefixes of dotted names).
MAY_IMPORT = {
    "pipeline": ("store", "rules"),
    "rules": ("store.record", "store.values"),
    "store": (),
    "simulators": ("store.values",),
}
# Simulators are devices: the product knows them only as a command.
EXCEPTIONS = {"simulators": ("pipeline/operations/cli/*.py",)}

# The only places that may import a library (of ours; tests and benchmarks import what they like).
IMPORT_SITES = {
    "faust": ("pipeline/stream/topology.py", "pipeline/log/faust/*.py"),
    "mode": ("pipeline/stream/topology.py", "pipeline/log/faust/*.py"),
    "aiokafka": ("pipeline/log/kafka/*.py",),
    "sqlite3": ("pipeline/log/embedded/*.py", "pipeline/alerting/archive/*.py", "pipeline/base/sqlite_files/*.py"),
    "duckdb": ("store/engine/*.py",),
    "deltalake": ("store/magnetic/delta.py",),
    "obstore": ("store/objects/*.py",),
    "pyarrow.fs": ("store/objects/*.py", "store/magnetic/data_files.py"),
    "pyarrow.dataset": ("store/magnetic/data_files.py",),
    "pyarrow.parquet": (
        *("store/magnetic/delta_log.py", "store/magnetic/parquet.py"),
        *("pipeline/api/http/results.py", "pipeline/operations/history.py"),
        "pipeline/operations/importing/parquet_files.py",
        "store/unload/result_files.py",
    ),
    "sqlglot": ("store/sql/*.py",),
    "fastapi": ("pipeline/api/http/*.py",),
    "jinja2": ("pipeline/console/rendering.py",),
    "matplotlib": ("pipeline/operations/plots.py",),
    "markupsafe": ("pipeline/console/*.py",),
    "fastapi_offline": ("pipeline/api/http/app.py",),
    "starlette": ("pipeline/api/http/*.py", "pipeline/console/*.py"),
    "uvicorn": ("pipeline/api/http/server.py", "pipeline/api/http/connections.py", "pipeline/console/serve.py"),
    "httptools": ("pipeline/api/http/connections.py",),
    "uvloop": ("pipeline/gateway/run.py", "simulators/cli.py"),
    "httpx": (
        *("pipeline/alerting/receivers/*.py", "pipeline/operations/client.py", "pipeline/cluster/client.py"),
        "pipeline/console/api.py",
    ),
    "httpcore": ("pipeline/alerting/receivers/transport.py",),
    "standardwebhooks": ("pipeline/alerting/receivers/*.py", "pipeline/operations/demo.py"),
    "aiomqtt": ("simulators/*.py",),
    "paho": ("pipeline/gateway/brokers/*.py", "pipeline/alerting/receivers/mqtt.py", "simulators/*.py"),
    "wsproto": ("pipeline/gateway/listener/websocket.py",),
    "cryptography": ("pipeline/base/tls/validity.py",),
    "prometheus_client": (
        *("pipeline/base/metrics.py", "pipeline/base/metrics_files.py"),
        *("pipeline/operations/cli/shared_metrics.py", "pipeline/api/http/routes/process.py"),
    ),
    "structlog": ("pipeline/base/logs.py",),
    "apprise": ("pipeline/alerting/receivers/by_apprise.py",),
    "pystache": ("pipeline/base/mustache.py",),
    "re2": ("store/values/expressions.py",),
    "psutil": ("pipeline/stream/partitions/*.py",),
    "click": ("pipeline/operations/cli/*.py", "simulators/*.py"),
    "rich": ("pipeline/operations/cli/*.py", "simulators/*.py"),
    "xxhash": ("store/objects/checksum.py", "pipeline/operations/importing/row_hashes.py"),
    "yaml": ("store/values/yaml_text.py",),
    "fcntl": ("store/objects/file_lock.py",),
    "boto3": (),
    "botocore": (),
}
# What is cheap to import, and what values are made of
ANYWHERE = {"msgspec", "numpy", "orjson", "pyarrow", "pydantic", "pydantic_core", "typing_extensions", "yaml"}

STAGE = re.compile(r"[a-z]+(_[a-z]+)*_to_[a-z]+(_[a-z]+)*\.py")


def test_packages_import_each_other_only_as_the_map_allows() -> None:
    wrong = [
        found
        for found in all_imports()
        for other in PACKAGES
        if found.is_of(other) and other != (own := found.path.split("/")[0])
        if not any(found.is_of(allowed) for allowed in MAY_IMPORT[own])
        if not is_at(found.path, EXCEPTIONS.get(other, ()))
    ]

    assert not wrong, "\n".join(map(str, wrong))


def test_imports_are_absolute() -> None:
    wrong = [found for found in all_imports() if found.target.startswith(".")]

    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("library", IMPORT_SITES)
def test_a_heavy_library_is_imported_only_at_its_site(library: str) -> None:
    wrong = [found for found in all_imports() if found.is_of(library) and not is_at(found.path, IMPORT_SITES[library])]

    assert not wrong, "\n".join(map(str, wrong))


def test_each_library_has_its_site_or_is_one_for_all() -> None:
    """Whoever brings a library says where it may be imported."""
    known = {*sys.stdlib_module_names, *PACKAGES, *IMPORT_SITES, *ANYWHERE, "_typeshed"}

    wrong = [found for found in all_imports() if found.target.split(".")[0] not in known]

    assert not wrong, "\n".join(map(str, wrong))


def test_each_library_is_installed_with_the_product() -> None:
    """Not only with what its tests need beside it: `make setup`, `make demo` and the image install requirements.txt."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    installed = {
        name.lower().replace("_", "-") for name in re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==", text, re.MULTILINE)
    }
    own = {*sys.stdlib_module_names, *PACKAGES, "_typeshed"}
    providers = packages_distributions()

    wrong = [
        found
        for found in all_imports()
        if (library := found.target.split(".")[0]) not in own
        if not any(name.lower().replace("_", "-") in installed for name in providers.get(library, []))
    ]

    assert not wrong, "\n".join(map(str, wrong))


def test_stages_are_named_by_what_they_read_and_write() -> None:
    names = [path.name for path in (ROOT / "pipeline" / "stream" / "stages").glob("*.py") if path.name != "__init__.py"]

    assert names
    assert [name for name in names if not STAGE.fullmatch(name)] == []


def test_no_module_reads_the_environment_at_import() -> None:
    wrong = [f"{path}:{line}" for path in modules() for line in environment_reads_at_import(path)]

    assert not wrong, "\n".join(wrong)


def environment_reads_at_import(path: str) -> Iterator[int]:
    """Lines with `os.environ` or `os.getenv` outside of functions."""
    pending: list[ast.AST] = [tree_of(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
            yield node.lineno
        pending.extend(ast.iter_child_nodes(node))


# Run in a process of its own: imports every module while an audit hook notes what our code does. What libraries do
# at their own import is theirs: Faust asks `file` what the interpreter is.
IMPORT_ALL = """
import importlib, json, sys, threading, traceback
WATCHED = {"socket.__new__", "socket.bind", "socket.connect", "subprocess.Popen", "os.fork", "thread",
           "sqlite3.connect", "os.mkdir", "os.rename", "os.remove"}
seen, current = [], None
def is_ours():
    frame = sys._getframe(2)
    while frame and frame.f_code.co_filename.startswith((sys.base_prefix, "<frozen", "<string>")):
        frame = frame.f_back
    return frame is None or "site-packages" not in frame.f_code.co_filename
def hook(event, arguments):
    if current and event in WATCHED and is_ours():
        seen.append(f"{current}: {event} {arguments!r:.80}")
    elif current and event == "open" and set(arguments[1] or "") & set("wax+") and is_ours():
        seen.append(f"{current}: opens {arguments[0]!r} to write")
start = threading.Thread.start
threading.Thread.start = lambda self: (sys.audit("thread", self), start(self))
sys.dont_write_bytecode = True
sys.addaudithook(hook)
for name in sys.argv[1:]:
    current = name
    try:
        importlib.import_module(name)
    except BaseException:
        seen.append(f"{name}: cannot be imported: {traceback.format_exc().strip().splitlines()[-1]}")
    current = None
print(json.dumps(seen))
"""


@pytest.mark.processes
def test_importing_any_module_starts_and_opens_nothing() -> None:
    """No thread, process, socket or file to write; and every module can be imported."""
    names = [path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in modules()]

    run = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *names], cwd=ROOT, capture_output=True, text=True, check=True, timeout=100
    )

    seen = json.loads(run.stdout)
    assert not seen, "\n".join(seen)
