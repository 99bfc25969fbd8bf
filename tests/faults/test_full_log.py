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
from tests.support.ports import kept_ports
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
    """Somebody else fills the disk. At `min_free` the gateway stops; below it the disk may be filled to the brim, also
    while the worker flushes, and `up` itself stays. Devices go on whenever there is room again.
    """
    log = {"max_bytes": "4GiB", "min_free": "8MiB" if small_disk else "100000GiB"}
    with (
        kept_ports(1) as (port,),
        hasty(tmp_path),
        Product(tmp_path, config(log=log, listener={"address": f"127.0.0.1:{port}"})) as product,
    ):
        with Sender(product, seconds=3600, rate=2_000) as sender:
            if small_disk is None:
                wait_while_busy(product, sender)
                product.stop()
                settings = product.config_file.read_text().replace(log["min_free"], "1B")
                product.config_file.write_text(settings)
                product.start()
            else:
                publish_for(1.5)
                ballast = fill(small_disk, leave_bytes=6 * MIB)
                wait_while_busy(product, sender)
                ballast.unlink()
                wait_for(lambda: connect_code(product) == ACCEPTED, "devices are let in again")
                publish_for(1.5)
                ballast = fill(small_disk, leave_bytes=0)
                publish_for(4)
                ballast.unlink()
            wait_for(lambda: connect_code(product) == ACCEPTED, "devices are let in again")
            sender.stop()
            result = sender.result()

        assert len(sender.unknown) == 0, result
        assert_nothing_lost(product, sender)


def wait_while_busy(product: Product, sender: Sender) -> None:
    """Return when devices that come have waited for a while, and those that were there still do."""
    wait_for(lambda: is_busy(product), "new connections are answered: server busy")
    publish_for(1)
    assert sender.is_running


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
