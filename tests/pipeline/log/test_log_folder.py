"""The embedded log's folder: formats, names, and the one worker."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.base.errors import LogError, LogFormatError, LogLocked
from pipeline.log import lock_worker, open_admin, open_appender
from pipeline.log.embedded.folder import LogFolder, folder_of, open_folder
from pipeline.log.settings import LogSettings
from pipeline.log.topics import READINGS
from store.objects import sealed_json


def describe(folder: Path, **changes: object) -> None:
    path = folder / "log.json"
    fields = {name: value for name, value in json.loads(path.read_text()).items() if name != "checksum"}
    path.write_bytes(sealed_json.write(fields | changes))


def test_a_folder_is_made_a_log_once_and_found_again(tmp_path: Path) -> None:
    made = open_folder(tmp_path / "Some Dir" / "log", partitions=3)

    assert len(made.log_id) == 16
    assert open_folder(tmp_path / "Some Dir" / "log") == LogFolder(made.path, made.log_id, 3)


def test_a_newer_format_is_refused_saying_what_to_do(tmp_path: Path) -> None:
    open_folder(tmp_path)
    describe(tmp_path, format_version=3)

    with pytest.raises(LogFormatError, match=r"log\.json: .*version 3, this program reads 2, .*use the newer program"):
        open_folder(tmp_path)
    with pytest.raises(LogFormatError):
        open_admin(LogSettings(f"local://{tmp_path}"))


async def test_an_appender_refuses_a_newer_format_at_start(tmp_path: Path) -> None:
    open_folder(tmp_path)
    describe(tmp_path, format_version=3)

    with pytest.raises(LogFormatError):
        await open_appender(LogSettings(f"local://{tmp_path}", 1, 0)).start()


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"format_version": 1}', '{"format_version": 2}'])
def test_a_description_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.json").write_text(text)

    with pytest.raises(LogFormatError, match=r"log\.json: not the description of a log"):
        open_folder(tmp_path)


def test_messages_whose_log_id_was_lost_are_not_given_another(tmp_path: Path) -> None:
    open_admin(LogSettings(f"local://{tmp_path}")).extent(READINGS)
    (tmp_path / "log.json").unlink()
    (tmp_path / "log.json.copy").unlink()

    with pytest.raises(LogFormatError, match=r"readings\.sqlite without log\.json"):
        open_folder(tmp_path)


@pytest.mark.parametrize("place", ["log.json", "log.json.copy"])
@pytest.mark.parametrize("change", [lambda text: text.replace("_id", "_ie"), lambda text: text[:20], lambda _: ""])
def test_a_damaged_description_is_made_again_from_its_copy(
    tmp_path: Path, place: str, change: Callable[[str], str]
) -> None:
    made = open_folder(tmp_path, partitions=3)
    text = (tmp_path / place).read_text()
    (tmp_path / place).write_text(change(text))

    assert open_folder(tmp_path) == made
    assert (tmp_path / place).read_text() == text


def test_a_half_made_log_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "log.json.new").write_text("{")
    (tmp_path / "readings.sqlite.unfinished").write_text("torn")

    assert open_admin(LogSettings(f"local://{tmp_path}")).extent(READINGS).next_offset == 0


@pytest.mark.parametrize("path", ["/Data/LOG", "/a b/%41", "/x#y?z"])
def test_a_url_names_its_folder_literally(path: str) -> None:
    assert folder_of(f"local://{path}") == Path(path)


@pytest.mark.parametrize("url", ["local://data/log", "local", "/data/log", "redis://h:1"])
def test_a_url_that_is_not_an_absolute_folder_is_refused(url: str) -> None:
    with pytest.raises(LogError, match="absolute"):
        open_admin(LogSettings(url))


def test_a_file_in_the_place_of_the_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("")

    with pytest.raises(LogError, match=str(tmp_path / "log")):
        open_folder(tmp_path / "log")


def test_a_second_worker_is_refused_and_told_who_has_the_folder(tmp_path: Path) -> None:
    log = LogSettings(f"local://{tmp_path}")
    with lock_worker(log), pytest.raises(LogLocked, match=rf"{tmp_path}.*process {os.getpid()}\b"):
        lock_worker(log)

    lock_worker(log).release()


@pytest.mark.processes
def test_a_worker_that_is_killed_leaves_the_folder_free(tmp_path: Path) -> None:
    log = LogSettings(f"local://{tmp_path}")
    script = (
        "from pipeline.log import lock_worker; from pipeline.log.settings import LogSettings; "
        f"lock = lock_worker(LogSettings({log.url!r})); print('locked', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"locked\n"
        with pytest.raises(LogLocked, match=f"process {worker.pid}"):
            lock_worker(log)
        worker.kill()

    lock_worker(log).release()
