import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.alerting.archive.dead_letters import ROW_BYTES, DeadLetterArchive
from pipeline.base.errors import DataDirError, FrameError
from pipeline.log.dead_letter import DeadLetter, Reason, decode_dead_letters, encode_dead_letters, encode_replayed

STREAM = "0123456789abcdef/dead_letters/0"
DAY_NS = 86_400 * 10**9


def letter(number: int, *, account: str = "default", topic: str = "a/b", reason: Reason = Reason.INVALID_JSON,
           payload: bytes = b"{", arrival_ns: int | None = None) -> DeadLetter:  # fmt: skip
    arrival_ns = number if arrival_ns is None else arrival_ns
    return DeadLetter(f"log:0:{number}:0", account, topic, payload, reason, "why", arrival_ns)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dead_letters.sqlite"


@pytest.fixture
def archive(path: Path) -> Iterator[DeadLetterArchive]:
    archive = DeadLetterArchive(path)
    yield archive
    archive.close()


def ids(archive: DeadLetterArchive, **filters: object) -> list[str]:
    return [found.letter.id for found in archive.list(**filters)]


def test_letters_come_back_from_bytes_as_they_went() -> None:
    letters = [letter(1), letter(2, payload=b"\xff\x00", reason=Reason.NO_ROUTE)]

    assert decode_dead_letters(encode_dead_letters(letters)).letters == letters


def test_an_archive_made_anew_from_the_log_knows_what_was_replayed(archive: DeadLetterArchive) -> None:
    log = [encode_dead_letters([letter(1), letter(2)]), encode_replayed(["log:0:1:0"], 99)]

    for offset, entry in enumerate(map(decode_dead_letters, log)):
        archive.accept(STREAM, offset, entry.letters, entry.replayed)

    assert ids(archive, is_replayed=True) == ["log:0:1:0"]
    assert archive.list(is_replayed=True)[0].replayed_ns == 99
    assert archive.next_offset(STREAM) == 2


def test_other_bytes_are_refused() -> None:
    with pytest.raises(FrameError, match="3 bytes that are not dead letters"):
        decode_dead_letters(b"abc")


def test_what_is_accepted_can_be_shown_whole(archive: DeadLetterArchive) -> None:
    archive.accept(STREAM, 0, [letter(1, payload=b"\xff")])

    found = archive.show("log:0:1:0")

    assert found is not None
    assert (found.letter, found.replayed_ns) == (letter(1, payload=b"\xff"), None)
    assert archive.show("log:0:1:0", account="other") is None


def test_a_log_message_that_the_position_covers_changes_nothing(archive: DeadLetterArchive) -> None:
    archive.accept(STREAM, 4, [letter(1)])

    archive.accept(STREAM, 4, [letter(2)])
    archive.accept(STREAM, 3, [letter(3)])

    assert ids(archive) == ["log:0:1:0"]
    assert archive.next_offset(STREAM) == 5


def test_a_letter_repeated_at_a_later_offset_is_kept_once(archive: DeadLetterArchive) -> None:
    archive.accept(STREAM, 0, [letter(1), letter(2)])
    archive.mark_replayed(["log:0:1:0"], 99)

    archive.accept(STREAM, 1, [letter(1), letter(3)])

    assert [(x.letter.arrival_ns, x.replayed_ns) for x in archive.list()] == [(3, None), (2, None), (1, 99)]


def test_letters_and_position_are_there_after_a_restart(path: Path) -> None:
    first = DeadLetterArchive(path)
    assert first.next_offset(STREAM) is None
    first.accept(STREAM, 7, [letter(1)])
    first.close()

    second = DeadLetterArchive(path)

    assert (ids(second), second.next_offset(STREAM)) == (["log:0:1:0"], 8)
    second.close()


def test_a_message_that_fails_half_way_leaves_neither_letters_nor_position(archive: DeadLetterArchive) -> None:
    def broken() -> Iterator[DeadLetter]:
        yield letter(1)
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError):
        archive.accept(STREAM, 0, broken())

    assert (ids(archive), archive.next_offset(STREAM)) == ([], None)


def test_a_listing_is_filtered_and_paged_newest_first(archive: DeadLetterArchive) -> None:
    archive.accept(
        STREAM,
        0,
        [
            letter(1),
            letter(2, account="farm-7"),
            letter(3, reason=Reason.TOO_LATE),
            letter(4, topic="x"),
            letter(5),
        ],
    )

    assert ids(archive, account="farm-7") == ["log:0:2:0"]
    assert ids(archive, reason="too_late") == ["log:0:3:0"]
    assert ids(archive, mqtt_topic="x") == ["log:0:4:0"]
    assert ids(archive, from_ns=2, to_ns=4) == ["log:0:3:0", "log:0:2:0"]
    page = archive.list(limit=2)
    assert [found.letter.arrival_ns for found in page] == [5, 4]
    assert [found.letter.arrival_ns for found in archive.list(limit=2, before_seq=page[-1].seq)] == [3, 2]


def test_rejections_are_counted_by_source_and_by_reason(archive: DeadLetterArchive) -> None:
    archive.accept(STREAM, 0, [letter(1), letter(2), letter(3, reason=Reason.TOO_LATE), letter(4, account="farm-7")])

    counted = [(x.account, x.mqtt_topic, x.reason, x.count, x.last_arrival_ns) for x in archive.rejected()]

    assert counted == [
        ("default", "a/b", Reason.INVALID_JSON, 2, 2),
        ("default", "a/b", Reason.TOO_LATE, 1, 3),
        ("farm-7", "a/b", Reason.INVALID_JSON, 1, 4),
    ]


def test_a_replayed_letter_is_marked(archive: DeadLetterArchive) -> None:
    archive.accept(STREAM, 0, [letter(1), letter(2)])

    archive.mark_replayed(["log:0:1:0"], 99)

    assert [found.replayed_ns for found in archive.list()] == [None, 99]
    assert ids(archive, is_replayed=False) == ["log:0:2:0"]


@pytest.mark.parametrize(("age_ns", "kept"), [(7 * DAY_NS - 1, 1), (7 * DAY_NS, 1), (7 * DAY_NS + 1, 0)])
def test_letters_stay_for_the_retention_and_no_longer(archive: DeadLetterArchive, age_ns: int, kept: int) -> None:
    now_ns = 21_000 * DAY_NS
    archive.accept(STREAM, 0, [letter(1, arrival_ns=now_ns - age_ns)])

    archive.retain(now_ns)

    assert len(archive.list()) == kept


def test_letters_of_before_the_clock_was_set_are_not_taken_for_old_ones(archive: DeadLetterArchive) -> None:
    archive.accept(STREAM, 0, [letter(1, arrival_ns=40)])

    archive.retain(21_000 * DAY_NS)

    assert len(archive.list()) == 1


@pytest.mark.parametrize(
    ("room", "kept"), [(0, [3, 2, 1]), (-1, [3, 2]), (-1_000 - ROW_BYTES, [3, 2]), (-1_000 - ROW_BYTES - 1, [3])]
)
def test_the_oldest_go_first_when_there_are_too_many_bytes(path: Path, room: int, kept: list[int]) -> None:
    archive = DeadLetterArchive(path, keep=timedelta(days=1), keep_bytes=3 * (1_000 + ROW_BYTES) + room)
    archive.accept(STREAM, 0, [letter(number, payload=bytes(1_000)) for number in (1, 2, 3)])

    archive.retain(0)

    assert [found.letter.arrival_ns for found in archive.list()] == kept
    archive.close()


def test_a_file_of_a_newer_format_is_refused_and_left_alone(path: Path) -> None:
    DeadLetterArchive(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=3")
    db.close()

    with pytest.raises(DataDirError, match="has format version 3; this streamgauge reads 2"):
        DeadLetterArchive(path)


def test_readers_in_other_threads_see_what_is_committed(archive: DeadLetterArchive) -> None:
    archive.accept(STREAM, 0, [letter(1)])
    seen: list[list[str]] = []

    threads = [threading.Thread(target=lambda: seen.append(ids(archive))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == [["log:0:1:0"]] * 4
