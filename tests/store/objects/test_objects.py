"""Both kinds of object storage satisfy the same laws."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import pytest

from store.errors import MagneticTierError, MagneticUnavailable
from store.objects.location import S3Location, locate
from store.objects.objects import ASIDE, Objects, open_objects
from tests.support.s3_server import S3Server, s3_server


@pytest.fixture
def objects(url: str) -> Objects:
    return open_objects(url)


def test_an_object_is_read_as_it_was_put(objects: Objects) -> None:
    objects.put("a/b", b"first")
    objects.put("a/b", b"\0second")
    objects.put("empty", b"")

    assert objects.get("a/b") == b"\0second"
    assert objects.get("empty") == b""


def test_an_absent_object_reads_as_none_and_may_be_deleted(objects: Objects) -> None:
    objects.put("a/b", b"x")
    objects.delete("a/c")
    objects.delete("nowhere/at/all")

    assert objects.get("a/c") is None
    assert objects.get("a") is None
    assert objects.get("a/b/c") is None


def test_a_deleted_object_does_not_exist_and_can_be_created_again(objects: Objects) -> None:
    objects.put("a/b", b"x")
    objects.delete("a/b")

    assert objects.get("a/b") is None
    assert objects.list("") == []
    assert objects.create("a/b", b"y")


def test_create_leaves_what_is_there(objects: Objects) -> None:
    assert objects.create("a/b", b"first")
    assert not objects.create("a/b", b"second")

    assert objects.get("a/b") == b"first"


def test_list_has_the_paths_below_a_folder_in_order(objects: Objects) -> None:
    for path in ("b/2", "b/10", "b/deep/er", "b2/1", "a", "b.x"):
        objects.put(path, b"")

    assert objects.list("") == ["a", "b.x", "b/10", "b/2", "b/deep/er", "b2/1"]
    assert objects.list("b") == ["b/10", "b/2", "b/deep/er"]
    assert objects.list("b/deep") == ["b/deep/er"]
    assert objects.list("c") == []


def test_two_roots_do_not_see_each_other(url: str) -> None:
    one, other = open_objects(f"{url}/one"), open_objects(f"{url}/one-more")
    one.put("x", b"1")
    other.put("y", b"2")

    assert (one.list(""), other.list("")) == (["x"], ["y"])


def test_only_one_of_several_creations_of_an_object_succeeds(objects: Objects, url: str) -> None:
    """Workers use this to agree on a shared state."""
    handles = [objects, open_objects(url)]
    with ThreadPoolExecutor(8) as pool:
        for round_ in range(5):
            start = threading.Barrier(8)

            def create(number: int, path: str = f"lock/{round_}", start: threading.Barrier = start) -> bool:
                start.wait()
                return handles[number % 2].create(path, str(number).encode())

            won = list(pool.map(create, range(8)))

            assert won.count(True) == 1
            assert objects.get(f"lock/{round_}") == str(won.index(True)).encode()


def test_a_reader_never_sees_half_an_object(objects: Objects, url: str) -> None:
    """The old or the new object, complete."""
    size = 200_000
    objects.put("x", b"a" * size)
    done = threading.Event()

    def write() -> None:
        writer = open_objects(url)
        for letter in cycle(b"bcdefgh"):
            if done.is_set():
                return
            writer.put("x", bytes([letter]) * size)

    thread = threading.Thread(target=write)
    thread.start()
    seen: set[bytes] = set()
    try:
        while len(seen) < 5:
            data = objects.get("x")
            assert data is not None
            seen.add(data)
    finally:
        done.set()
        thread.join()

    assert {(len(data), len(set(data))) for data in seen} == {(size, 1)}


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/./b", f"{ASIDE}/x"])
def test_a_path_that_names_no_object_is_refused(objects: Objects, path: str) -> None:
    with pytest.raises(ValueError, match="not a path of an object"):
        objects.put(path, b"")


@pytest.mark.processes
def test_what_a_process_wrote_when_it_was_killed_is_whole_or_absent(tmp_path: Path) -> None:
    """The next process also lists and creates objects as if it had never existed."""
    program = (
        "import sys; from store.objects.objects import open_objects; objects = open_objects(sys.argv[1])\n"
        "print('up', flush=True)\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        "    objects.put(f'x/{n % 7}', bytes([n % 256]) * 100_000)\n"
        "    objects.create(f'y/{n}', b'z' * 50_000)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as process:
        objects = open_objects(str(tmp_path))
        assert process.stdout is not None
        process.stdout.readline()
        while len(objects.list("y")) < 20:
            pass
        process.send_signal(signal.SIGKILL)

    found = {path: objects.get(path) or b"" for path in objects.list("")}
    assert {len(data) for path, data in found.items() if path.startswith("x/")} == {100_000}
    assert {data for path, data in found.items() if path.startswith("y/")} == {b"z" * 50_000}


def test_what_dead_processes_left_aside_is_removed_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / ASIDE / "old", tmp_path / ASIDE / "new"
    old.parent.mkdir()
    old.touch()
    new.touch()
    os.utime(old, (0, 0))

    objects = open_objects(str(tmp_path))

    assert (old.exists(), new.exists(), objects.list("")) == (False, True, [])


def test_a_folder_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    objects = open_objects(str(tmp_path))

    with pytest.raises(MagneticTierError, match=r"file/x"):
        objects.put("file/x", b"")
    with pytest.raises(MagneticTierError, match=r"file: "):
        open_objects(str(tmp_path / "file"))


@pytest.fixture
def dead_s3() -> Iterator[S3Server]:
    with s3_server() as server:
        pass
    return server


@pytest.mark.processes
def test_a_server_that_is_away_is_an_error_that_a_later_try_may_correct(dead_s3: S3Server) -> None:
    objects = open_objects("s3://bucket/prefix", dead_s3.environment)

    with pytest.raises(MagneticUnavailable, match=r"s3://bucket/prefix: 'x/y' cannot be read now"):
        objects.get("x/y")


def test_a_bucket_that_is_not_there_is_an_error_for_the_operator(s3: S3Server) -> None:
    objects = open_objects("s3://no-such-bucket/prefix", s3.environment)

    with pytest.raises(MagneticTierError, match=r"s3://no-such-bucket/prefix: 'x' cannot be written") as caught:
        objects.put("x", b"")
    assert not isinstance(caught.value, MagneticUnavailable)


ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_REGION": "eu-west-1"}


def test_the_environment_says_how_to_reach_a_bucket() -> None:
    location = locate("s3://bucket/a/b/", ENVIRONMENT | {"AWS_ENDPOINT_URL": "http://minio:9000"})

    assert isinstance(location, S3Location)
    assert location.url == "s3://bucket/a/b"
    assert location.for_pyarrow()["endpoint_override"] == "minio:9000"
    assert location.for_deltalake()["allow_http"] == "true"
    assert location.for_obstore()["config"]["secret_access_key"] == "hush"
    assert "hush" not in repr(location)


def test_without_an_endpoint_nothing_goes_unencrypted() -> None:
    location = locate("s3://bucket", ENVIRONMENT)

    assert isinstance(location, S3Location)
    assert location.for_deltalake()["allow_http"] == "false"
    assert location.for_obstore()["client_options"]["allow_http"] is False


@pytest.mark.parametrize(
    ("url", "environment", "message"),
    [
        ("gs://bucket/x", {}, "gs:// is not supported; a folder, file:///folder or s3://bucket/prefix is"),
        ("s3://", {}, "'' is not a bucket name"),
        ("s3://Bucket/x", {}, "'Bucket' is not a bucket name"),
        ("s3://bucket/a b", {}, "'a b' cannot be a part of the prefix"),
        ("s3://bucket/a/../b", {}, r"'\.\.' cannot be a part of the prefix"),
        ("s3://bucket", {"AWS_ACCESS_KEY_ID": "key"}, "AWS_SECRET_ACCESS_KEY is missing"),
        ("s3://bucket", {"AWS_ENDPOINT_URL": "minio:9000"}, "'minio:9000'; http://… or https://… is needed"),
    ],
)
def test_what_cannot_be_reached_is_refused_by_name(url: str, environment: dict[str, str], message: str) -> None:
    with pytest.raises(MagneticTierError, match=message):
        open_objects(url, environment)
