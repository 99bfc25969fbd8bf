"""The process's limit of open files: every connection is one."""

from __future__ import annotations

import resource

RESERVED = 64  # log files, sockets to listen on, libraries


def raise_limit() -> int:
    """How many connections the process may have, after raising its limit of open files to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = 1 << 20  # the kernel's fs.nr_open, by default
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(soft, hard) - RESERVED
