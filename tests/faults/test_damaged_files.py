"""Files of a data_dir that are torn, empty or gone at a start: rows come again from the log, or an error tells."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.support.fault_kit import (
    Sender,
    assert_nothing_lost,
    config,
    descendants,
    hasty,
    publish_for,
    stored_ids,
    up_pid,
)
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(3600)]

OWNED = "magnetic/_streamgauge/state/*/readings/0"
CATALOG = "magnetic/_streamgauge/catalog/*.json"
LOW_WATERMARK, SERIES = f"{OWNED}/floor/*", f"{OWNED}/series/*/*/*/*"
RULES_FLOOR, RULES = f"{OWNED}/rules/floor/*", f"{OWNED}/rules/blocks/*/*/*/*"
Damage = Callable[[Path], None]
KEPT = (LOW_WATERMARK, SERIES, RULES_FLOOR, RULES)
RULE = """
groups:
  - name: faults
    table: faults.table_00
    rules: [{alert: Hot, measure: temperature, range: {max: 21}, for: 1h}]
"""


def kill_all(product: Product) -> None:
    """SIGKILL `up`; its children end with it, and write no more when this returns."""
    children = descendants(up_pid(product))
    product.stop(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


def commits_in(data_dir: Path) -> tuple[list[Path], int]:
    """All commits, and which is the last that brought rows."""
    commits = sorted(data_dir.glob("magnetic/*/*/*/_delta_log/*.json"))
    return commits, max((i for i, path in enumerate(commits) if '"dataChange":true' in path.read_text()), default=0)


def last_flush_on(data_dir: Path) -> list[Path]:
    """The last commit that brought rows, and the merges after it."""
    commits, last = commits_in(data_dir)
    assert last > 2
    return commits[last:]


def has_saved_everything(data_dir: Path) -> bool:
    """Whether there are commits before the last one, and all files that are damaged below."""
    return commits_in(data_dir)[1] > 2 and all(any(data_dir.glob(pattern)) for pattern in KEPT)


def tear(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    path.write_bytes(b"no database" * 999)


def tear_last_commits(data_dir: Path) -> None:
    for path in last_flush_on(data_dir):
        tear(path)


def empty_last_commits(data_dir: Path) -> None:
    for path in last_flush_on(data_dir):
        os.truncate(path, 0)


def every(pattern: str, change: Callable[[Path], None]) -> Damage:
    def damage(data_dir: Path) -> None:
        found = list(data_dir.glob(pattern))
        assert found, pattern
        for path in found:
            change(path)

    damage.__name__ = f"{change.__name__} {pattern}"
    return damage


# In one life: what belongs to different files, and is made good in different ways.
TORN = {
    tear_last_commits: "made again from its copy",
    every(SERIES, tear): "made again from the table's rows",
    every(RULES_FLOOR, tear): "the rules are evaluated for the whole log",
    every("alerts.sqlite*", overwrite): "the damaged file is",
}
TORN_OTHERS = {
    empty_last_commits: "made again from its copy",
    every(LOW_WATERMARK, tear): "the whole log is read again",
    every(RULES, tear): "start with empty state",
}
GONE = {
    every(LOW_WATERMARK, Path.unlink): "",
    every(SERIES, Path.unlink): "",
    every(RULES_FLOOR, Path.unlink): "",
    every("log/log.json", Path.unlink): "made again from its copy",
}
ALONE = {every(f"{OWNED}/rules", shutil.rmtree): ""}
"""Nothing is left that another damage of rules could meet."""

LIVES = [TORN, TORN_OTHERS, GONE, ALONE]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sender]:
    """The folder of a product that was killed under load, its log kept whole since it was started; and the sender."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "rules.yaml").write_text(RULE)
    with hasty(folder, FAULT_TRIM_EVERY_S="3600"), Product(folder, config(rules=["rules.yaml"])) as product:
        with Sender(product, seconds=3600, rate=1_000, late=0.1, late_by=3, resend=0.02) as sender:
            publish_for(4)
            wait_for(lambda: has_saved_everything(product.data_dir), "all is saved that is to be damaged")
            sender.stop()
            sender.result()
        wait_for(lambda: len(stored_ids(product)) == len(sender.acked), "all is stored")
        kill_all(product)
    return folder, sender


def copy_of(killed: tuple[Path, Sender], folder: Path) -> Product:
    source, _ = killed
    shutil.copytree(source / "data", folder / "data")
    shutil.copy(source / "rules.yaml", folder)
    return Product(folder, config(rules=["rules.yaml"]))


@pytest.mark.parametrize(
    "damages",
    [
        *LIVES,
        *(pytest.param({damage: said}, marks=pytest.mark.soak) for life in LIVES[:-1] for damage, said in life.items()),
    ],
    ids=lambda damages: ", ".join(damage.__name__ for damage in damages),
)
def test_what_the_log_still_has_comes_again(
    killed: tuple[Path, Sender], tmp_path: Path, damages: dict[Damage, str]
) -> None:
    """Several damages in one life; in `make soak` each alone, too."""
    product = copy_of(killed, tmp_path)
    for damage in damages:
        damage(product.data_dir)

    with product:
        assert_nothing_lost(product, killed[1])

    output = product.output.read_text()
    assert [said for said in damages.values() if said not in output] == []
    assert "DATA LOSS" not in output


def test_a_lost_log_is_another_log_and_nothing_is_skipped_or_forgotten(
    killed: tuple[Path, Sender], tmp_path: Path
) -> None:
    """The store keeps its rows; the new log begins at offset 0, under an id of its own."""
    product = copy_of(killed, tmp_path)
    with product:
        assert_nothing_lost(product, killed[1])
    before = killed[1].acked
    shutil.move(product.data_dir / "log", tmp_path / "log-moved-away")

    with product, Sender(product, seconds=2, rate=500, first_id=2_000_000_000, name="after") as sender:
        sender.result()
        wait_for(
            lambda: np.setdiff1d(sender.acked, stored_ids(product)).size == 0, "what came after the loss is stored"
        )
        stored = stored_ids(product)

    assert np.setdiff1d(before, stored).size == 0
    assert len(stored) == len(np.unique(stored)) == len(before) + len(sender.acked)


@pytest.mark.parametrize(
    ("damage", "hint"),
    [
        pytest.param(every(CATALOG, tear), "put it back from a backup", marks=pytest.mark.soak),
        (every(CATALOG, Path.unlink), "Put it back from a backup"),
        (every("log/log.json*", Path.unlink), "put log.json back"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_corrected_is_an_error_that_says_what_to_do(
    killed: tuple[Path, Sender], tmp_path: Path, damage: Damage, hint: str
) -> None:
    """One message and the end, not a traceback and endless restarts."""
    product = copy_of(killed, tmp_path)
    damage(product.data_dir)

    with pytest.raises(AssertionError, match=r"up ended with [12]"), product:
        pass

    said = product.output.read_text()
    assert hint in said
    assert "Traceback" not in said
