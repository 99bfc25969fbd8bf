"""Repairs a WAL of SQLite with damaged frames: SQLite would silently drop the first of them and all after it.

The format is SQLite's (sqlite.org/fileformat2.html#walformat): a header, and frames of a page each. The checksum of a
frame continues that of the frame before, so each is checked alone, from the stored checksum of the one before. A
checksum is a linear function of its words modulo 2³², so the place of a single flipped bit follows from the difference.
A frame that cannot be repaired is kept as it is, with another checksum: the rows in it have checksums of their own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt

Words: TypeAlias = npt.NDArray[np.uint32]

HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
_LITTLE_ENDIAN, _BIG_ENDIAN = 0x377F0682, 0x377F0683
_VERSION = 3_007_000
_FRAMES_AT_ONCE = 256


class RepairedWal(NamedTuple):
    """The bytes of a WAL without damage that SQLite notices.

    frames    how many frames would have been dropped, from the first damaged one on
    repaired    how many of them are as they were written again
    damaged   how many could not be repaired
    """

    data: bytes
    frames: int
    repaired: int
    damaged: int


def repair_wal(data: bytes, page_bytes: int, *, is_to_end: bool = False) -> RepairedWal | None:
    """The WAL to use instead of `data`; None if SQLite reads all complete commits that are in it.

    What a power failure leaves, incomplete frames at the end, is not damage: no complete commit follows it.
    `is_to_end`: the last commit is known to have been complete, so that whatever is wrong in it is damage.
    """
    frame_bytes = FRAME_HEADER_BYTES + page_bytes
    count = (len(data) - HEADER_BYTES) // frame_bytes
    if count < 1:
        return None
    raw = np.frombuffer(data, np.uint8, count * frame_bytes, HEADER_BYTES).reshape(count, frame_bytes)
    heads = raw[:, :FRAME_HEADER_BYTES].copy().view(">u4").astype(np.uint32)
    header, is_header_repaired = _header(data[:HEADER_BYTES], page_bytes, heads)
    frames = _Frames(header, raw, heads)
    sound = frames.sound()
    prefix = count if sound.all() else int(np.argmin(sound))
    last = int(np.flatnonzero(sound & (heads[:, 1] != 0)).max(initial=-1))
    repaired, damaged = int(is_header_repaired), 0
    end = prefix
    while end < count and (end <= last or frames.is_of_this_wal(end)):
        if not frames.is_sound(end):
            if frames.repair(end):
                repaired += 1
            elif end <= last or is_to_end:
                damaged += 1
            else:
                break
        end += 1
    end = frames.last_commit(end) + 1
    first = 0 if is_header_repaired else prefix
    if end <= first:
        return None
    rest = data[HEADER_BYTES + end * frame_bytes :]
    return RepairedWal(frames.chained(end) + rest, end - first, repaired, damaged)


@dataclass(frozen=True, slots=True)
class _Header:
    data: bytes
    salts: tuple[int, int]
    checksum: tuple[int, int]
    order: str  # of the bytes of a word in checksums


def _header(data: bytes, page_bytes: int, heads: Words) -> tuple[_Header, bool]:
    """The header, and whether it had to be repaired: one flipped bit, or else what the frames say of it."""
    flips = (_flipped(data, bit) for bit in range(HEADER_BYTES * 8))
    found = next((one for one in (data, *flips) if _is_header(one)), None)
    if found is None:
        order, salts = "<", (int(heads[0, 2]), int(heads[0, 3]))
        begin = struct.pack(">6I", _LITTLE_ENDIAN, _VERSION, page_bytes, 0, *salts)
        found = begin + struct.pack(">2I", *_checksum(begin, order))
    magic, _, _, _, *rest = struct.unpack(">8I", found)
    order = "<" if magic == _LITTLE_ENDIAN else ">"
    return _Header(found, (rest[0], rest[1]), (rest[2], rest[3]), order), found != data


def _is_header(data: bytes) -> bool:
    magic, version, *_, first, second = struct.unpack(">8I", data)
    if magic not in (_LITTLE_ENDIAN, _BIG_ENDIAN) or version != _VERSION:
        return False
    return _checksum(data[:24], "<" if magic == _LITTLE_ENDIAN else ">") == (first, second)


def _flipped(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def _checksum(data: bytes, order: str) -> tuple[int, int]:
    words = np.frombuffer(data, f"{order}u4").astype(np.uint32)
    first, second, _ = _weights(len(words))
    return _total(words, first), _total(words, second)


class _Frames:
    """The frames of a WAL. `stored` are their checksums as found, or as repaired."""

    def __init__(self, header: _Header, raw: npt.NDArray[np.uint8], heads: Words) -> None:
        self._header = header
        self._raw = raw.copy()
        self._pgno, self._commit = heads[:, 0].copy(), heads[:, 1].copy()
        self._stored = heads[:, 4:6].copy()
        self._salts = heads[:, 2:4].copy()
        self._has_salts = (self._salts == np.array(header.salts, np.uint32)).all(axis=1)
        self._pages = 0  # of the file, after the largest commit
        self._weights = _weights((raw.shape[1] - 16) // 4)
        self._own = np.empty((len(raw), 2), np.uint32)  # a frame's own part of its checksum
        for at in range(0, len(raw), _FRAMES_AT_ONCE):
            self._own[at : at + _FRAMES_AT_ONCE] = self._own_part(slice(at, at + _FRAMES_AT_ONCE))

    def sound(self) -> npt.NDArray[np.bool_]:
        """Which frames are as they were written."""
        before = np.vstack([np.array([self._header.checksum], np.uint32), self._stored[:-1]])
        due = _carried(before, self._weights[2]) + self._own
        sound = self._has_salts & (due == self._stored).all(axis=1)
        self._pages = int(self._commit[sound].max(initial=0))
        return cast("npt.NDArray[np.bool_]", sound)

    def is_of_this_wal(self, index: int) -> bool:
        """Whether the frame has the salts of the header, but for one bit; those of an earlier WAL differ in many."""
        salts = zip(self._salts[index], self._header.salts, strict=True)
        return sum((int(found) ^ due).bit_count() for found, due in salts) <= 1

    def last_commit(self, end: int) -> int:
        """The last of the first `end` frames that ends a commit; -1 if none does."""
        return int(np.flatnonzero(self._commit[:end]).max(initial=-1))

    def is_sound(self, index: int) -> bool:
        """Whether this frame is as it was written."""
        return bool(self._has_salts[index]) and self._due(index) == self._at(index)

    def repair(self, index: int) -> bool:
        """Repair one flipped bit of a frame; False if more is wrong: then its checksum alone is made to match."""
        due, stored = self._due(index), self._at(index)
        differing = (due[0] ^ stored[0]).bit_count() + (due[1] ^ stored[1]).bit_count()
        if differing <= 1 and not self._is_continued(index):  # of its salts or of its checksum
            self._stored[index] = due
            return True
        words = self._words(slice(index, index + 1))[0]
        places = _flipped_words(words, self._weights, (stored[0] - due[0], stored[1] - due[1]))
        absurd = [word for word, of in enumerate((self._pgno, self._commit)) if of[index] > self._pages]
        places = [place for place in places if place[0] in absurd] if absurd else places
        if len(places) == 1:  # SQLite's sums cannot tell the highest bits of some words from each other
            self._set_word(index, *places[0])
            self._own[index] = self._own_part(slice(index, index + 1))[0]
            return True
        if 0 in absurd and index + 1 < len(self._raw):
            self._set_word(index, 0, int(self._raw_word(index + 1, 0)))  # the next frame overwrites the page
        return False

    def chained(self, end: int) -> bytes:
        """The WAL of the first `end` frames, each with the checksum that follows from the one before."""
        before = np.array([self._header.checksum], np.uint32)
        own = np.concatenate([self._own_part(slice(at, at + 1)) for at in range(end)])
        for index in range(end):
            before = _carried(before, self._weights[2]) + own[index]
            head = struct.pack(">4I", *self._header.salts, *map(int, before[0]))
            self._raw[index, 8:FRAME_HEADER_BYTES] = np.frombuffer(head, np.uint8)
        return self._header.data + self._raw[:end].tobytes()

    def _due(self, index: int) -> tuple[int, int]:
        before = self._header.checksum if index == 0 else self._at(index - 1)
        due = _carried(np.array([before], np.uint32), self._weights[2])[0] + self._own[index]
        return int(due[0]), int(due[1])

    def _is_continued(self, index: int) -> bool:
        """Whether the next frame continues the stored checksum of this one."""
        return index + 1 < len(self._raw) and self.is_sound(index + 1)

    def _at(self, index: int) -> tuple[int, int]:
        return int(self._stored[index, 0]), int(self._stored[index, 1])

    def _words(self, frames: slice) -> Words:
        checked = np.hstack([self._raw[frames, :8], self._raw[frames, FRAME_HEADER_BYTES:]])
        return np.ascontiguousarray(checked).view(f"{self._header.order}u4").astype(np.uint32)

    def _own_part(self, frames: slice) -> Words:
        words = self._words(frames)
        return np.stack([(words * weight).sum(axis=1, dtype=np.uint32) for weight in self._weights[:2]], axis=1)

    def _raw_word(self, index: int, word: int) -> int:
        at = word * 4 if word < 2 else FRAME_HEADER_BYTES + (word - 2) * 4
        return int(self._raw[index, at : at + 4].copy().view(f"{self._header.order}u4")[0])

    def _set_word(self, index: int, word: int, value: int) -> None:
        at = word * 4 if word < 2 else FRAME_HEADER_BYTES + (word - 2) * 4
        self._raw[index, at : at + 4] = np.array([value], f"{self._header.order}u4").view(np.uint8)
        self._pgno[index], self._commit[index] = self._raw[index, :8].copy().view(">u4")


@lru_cache(maxsize=4)
def _weights(words: int) -> tuple[Words, Words, Words]:
    """The weight of each word in both sums of a checksum, and the matrix for what the checksum was before.

    A pair of words x, y makes of the sums s, t: s + t + x, and s + 2t + x + y.
    """
    first, second = np.empty(words, np.uint32), np.empty(words, np.uint32)
    power = (1, 0, 1)  # the symmetric matrix [[1, 1], [1, 2]] to a power: its elements aa, ab, bb
    for pair in range(words // 2 - 1, -1, -1):
        aa, ab, bb = power
        first[2 * pair], first[2 * pair + 1] = (aa + ab) & 0xFFFFFFFF, ab
        second[2 * pair], second[2 * pair + 1] = (ab + bb) & 0xFFFFFFFF, bb
        power = (aa + ab) & 0xFFFFFFFF, (ab + bb) & 0xFFFFFFFF, (ab + 2 * bb) & 0xFFFFFFFF
    aa, ab, bb = power
    return first, second, np.array([[aa, ab], [ab, bb]], np.uint32)


def _carried(before: Words, matrix: Words) -> Words:
    """The part of checksums that comes from the checksums before."""
    return np.stack([(before * row).sum(axis=1, dtype=np.uint32) for row in matrix], axis=1)


def _total(words: Words, weights: Words) -> int:
    return int((words * weights).sum(dtype=np.uint32))


def _flipped_words(
    words: Words, weights: tuple[Words, Words, Words], difference: tuple[int, int]
) -> list[tuple[int, int]]:
    """Each word of which one flipped bit explains the difference of the sums: its index, and its former value."""
    wanted = [np.uint32(each & 0xFFFFFFFF) for each in difference]
    places = []
    for bit in range(32):
        mask = np.uint32(1 << bit)
        change = np.where(words & mask, np.uint32(-(1 << bit) & 0xFFFFFFFF), mask)  # what flipping it back adds
        found = np.flatnonzero((weights[0] * change == wanted[0]) & (weights[1] * change == wanted[1]))
        places += [(int(word), int(words[word] ^ mask)) for word in found]
    return places
