"""The limit of open files: every connected device is one."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from pipeline.config import Config
from pipeline.gateway.open_files import RESERVED
from pipeline.operations.doctor.finding import Finding, fail, ok, warn

NAME = "open files"
TOO_FEW = 256  # the worker opens files of tables and of queries in addition to sockets
FEW = 16_384
_REMEDY = "LimitNOFILE= in the unit, `ulimits: nofile:` in compose, /etc/security/limits.conf for a login"


def check_open_files(config: Config) -> Iterator[Finding]:
    """The limit of this process, and so of a gateway that is started here: it raises its limit to the hard one."""
    del config  # it does not matter here
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield judge(None if hard == resource.RLIM_INFINITY else hard)


def judge(hard: int | None) -> Finding:
    """`hard` is the hard limit; None: there is none."""
    if hard is None:
        return ok(NAME, "no limit of open files")
    devices = f"the hard limit of open files is {hard:,}: about {max(hard - RESERVED, 0):,} connections a gateway"
    if hard < TOO_FEW:
        return fail(NAME, devices, _REMEDY)
    return warn(NAME, devices, _REMEDY) if hard < FEW else ok(NAME, devices)
