"""Memory: whether `memory_limit` and 1 GiB more fit into this machine or container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, fail, ok, warn

NAME = "memory"
# In addition to the memory tier: the processes, running queries, series and rule state of the reference load.
BESIDE_BYTES = 1 << 30
_MIB = 2**20
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_MEMINFO = Path("/proc/meminfo")


def check_memory(config: Config) -> Iterator[Finding]:
    """The memory of the machine, or of this control group, whichever is less."""
    if _MEMINFO.exists():
        yield judge(config.memory_limit, _has_bytes())


def judge(limit_bytes: int, has_bytes: int) -> Finding:
    """`limit_bytes` is `memory_limit`."""
    told = f"memory_limit is {limit_bytes // _MIB:,} MiB of {has_bytes // _MIB:,} MiB"
    remedy = f"lower memory_limit: the rest needs about {BESIDE_BYTES // _MIB:,} MiB in addition"
    if limit_bytes >= has_bytes:
        return fail(NAME, f"{told}: the kernel will kill the worker", remedy)
    if limit_bytes + BESIDE_BYTES > has_bytes:
        return warn(NAME, f"{told}: that leaves little for queries and the processes", remedy)
    return ok(NAME, told)


def _has_bytes() -> int:
    total = next(line for line in _MEMINFO.read_text().splitlines() if line.startswith("MemTotal:"))
    limits = [int(total.split()[1]) * 1024]
    for path in _CGROUP_LIMITS:
        text = path.read_text().strip() if path.exists() else "max"
        if text.isdigit():
            limits.append(int(text))
    return min(limits)
