"""The process's limit of open files: every connection is one."""

from __future__ import annotations

import resource

RESERVED = 64  # log files, sockets to listen on, libraries


def raise_limit() -> int:
    """Raise the limit of open files to the hard one; returns how many connections the process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1 << 20 if hard == resource.RLIM_INFINITY else hard  # the kernel's fs.nr_open, by default
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(soft, most) - RESERVED
