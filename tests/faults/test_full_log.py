"""A full disk and a full log: devices wait, and what was acknowledged is stored once."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fault_kit import (
    Sender,
    assert_nothing_lost,
    config,
    connect_code,
    hasty,
    publish_for,
    rss_bytes,
    stopped,
)
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(3600)]

SERVER_BUSY = 3  # MQTT 3.1.1, 3.2.2.3: server unavailable
ACCEPTED = 0
MIB = 1 << 20
DISK_BYTES = 96 * MIB
GATEWAY_RSS_BYTES = 400 * MIB  # 32 MiB may wait for the log; the rest is Python, its libraries, and as much again


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A data_dir that is a file system of `DISK_BYTES`; None where this user may not mount one."""
    folder = tmp_path / "data"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, leave_bytes: int) -> Path:
    """Somebody else's file, so large that the disk has only `leave_bytes` left; what it had may be in use already."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb") as file:
        while shutil.disk_usage(disk).free > leave_bytes:
            file.write(bytes(MIB // 64))
            file.flush()
    return ballast


def is_busy(product: Product) -> bool:
    return connect_code(product) == SERVER_BUSY


def test_a_full_disk_makes_devices_wait_and_loses_nothing(tmp_path: Path, small_disk: Path | None) -> None:
    """Somebody else fills the disk; the gateway stops at `min_free`, and goes on when there is room again."""
    log = {"max_bytes": "4GiB", "min_free": "32MiB" if small_disk else "100000GiB"}
    with Product(tmp_path, config(log=log)) as product, Sender(product, seconds=6, rate=2_000) as sender:
        if small_disk:
            publish_for(2)
            ballast = fill(small_disk, leave_bytes=24 * MIB)
        wait_for(lambda: is_busy(product), "new connections are answered: server busy")
        publish_for(1)
        assert sender.is_running

        if small_disk:
            ballast.unlink()
        else:
            product.stop()
            product.config_file.write_text(config(log={"min_free": "1B"}))
            product.start()
        wait_for(lambda: connect_code(product) == ACCEPTED, "devices are let in again")
        result = sender.result()

        assert len(sender.unknown) == 0, result
        assert_nothing_lost(product, sender)


def test_a_disk_without_one_byte_left_stops_everything_and_loses_nothing(
    tmp_path: Path, small_disk: Path | None
) -> None:
    """Below `min_free` others may still fill it to the brim, also while the worker flushes; `up` itself stays."""
    if small_disk is None:
        return  # another file system cannot be filled; the law above holds there by min_free
    with hasty(tmp_path), Product(tmp_path, config(log={"min_free": "1MiB"})) as product:
        with Sender(product, seconds=8, rate=2_000) as sender:
            publish_for(1.5)
            ballast = fill(small_disk, leave_bytes=0)
            publish_for(5)
            ballast.unlink()
            wait_for(lambda: connect_code(product) == ACCEPTED, "devices are let in again", timeout_s=60)
            sender.result()

        assert_nothing_lost(product, sender)


def test_a_log_at_its_cap_bounds_the_gateways_memory_and_drains(tmp_path: Path) -> None:
    """The worker stands still (SIGSTOP) until `log.max_bytes` is reached and longer; then it goes on."""
    settings = config(log={"max_bytes": "8MiB", "min_free": "1B"})
    with hasty(tmp_path), Product(tmp_path, settings) as product:
        # more than the log may hold, however fast they are sent
        load = Sender(product, seconds=3600, messages=80_000, rate=10_000, connections=100, sensors=10_000)
        with load as sender:
            publish_for(1)
            with stopped(product, "worker"):
                wait_for(lambda: is_busy(product), "new connections are answered: server busy")
                publish_for(3)
                held_bytes = sum(file.stat().st_size for file in (product.data_dir / "log").glob("readings*"))
                memory_bytes = rss_bytes(product, "gateway")
            wait_for(lambda: connect_code(product) == ACCEPTED, "devices are let in again")
            result = sender.result()

        assert result["connections_lost"] == 0
        assert len(sender.unknown) == 0
        assert memory_bytes < GATEWAY_RSS_BYTES
        assert held_bytes < 8 * MIB * 4  # the file, and its WAL before a checkpoint
        assert_nothing_lost(product, sender)
