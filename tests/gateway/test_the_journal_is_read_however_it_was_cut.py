"""Whatever a crash or a disk does to a journal: each settlement that is read is one that was written, and none that was promised is
lost but where the disk itself lost it. No database is needed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from apps.core.ids import uuid7
from apps.gateway.journal import SUFFIX, UNFINISHED, UNFINISHED_S, Found, JournalFile, decode, encode, search
from apps.gateway.settlement import Settlement
from tests.servers import ROOT


def settlements(count: int) -> list[Settlement]:
    return [
        Settlement(uuid7(), 7, number, 1, 2, 1, True, cost=10**9 + number, finish_reason="stop\n\r\u2028é", error_code="x" * number)
        for number in range(count)
    ]


def journal(folder: Path, written: list[Settlement]) -> JournalFile:
    return JournalFile.create(folder, [encode(settlement) for settlement in written])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = settlements(5)
    file = journal(tmp_path, written[:2])
    file.append([encode(settlement) for settlement in written[2:]])
    contents = file.read()
    assert contents.settlements == written
    assert (contents.torn, contents.damaged, file.size) == (False, 0, file.path.stat().st_size)
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.close()


def test_cut_off_anywhere_it_says_what_came_whole(tmp_path: Path) -> None:
    written = settlements(3)
    lines = [encode(settlement) for settlement in written]
    data = b"".join(lines)
    ends = {sum(map(len, lines[:count])): count for count in range(4)}
    whole = 0
    for length in range(len(data) + 1):
        whole = ends.get(length, whole)
        contents = decode(data[:length])
        assert contents.settlements == written[:whole]
        assert contents.damaged == 0
        assert contents.torn is (length not in ends)


def test_a_byte_that_has_changed_costs_its_line_alone() -> None:
    written = settlements(3)
    data = b"".join(encode(settlement) for settlement in written)
    dice = random.Random(4)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << dice.randrange(8)
        contents = decode(bytes(changed))
        assert all(settlement in written for settlement in contents.settlements)
        assert len(contents.settlements) >= 1  # a line end that has gone costs two
        assert contents.damaged or contents.torn


def test_a_line_of_an_earlier_version_is_read_and_one_that_cannot_be_is_kept() -> None:
    [settlement] = settlements(1)
    line = encode(settlement)

    def resealed(data: bytes) -> bytes:
        return b"%08x %08x %s\n" % (len(data), zlib.crc32(data), data)

    data = line[18:-1]
    earlier = data.replace(b'"estimated":false,', b"")
    later = data.replace(b'"estimated":', b'"invented_later":1,"estimated":')
    assert decode(resealed(earlier) + resealed(later)).settlements == [settlement] * 2
    assert decode(resealed(b"{}") + line).damaged == 1


def test_a_file_is_its_writers_while_that_lives_and_its_successors_afterwards(tmp_path: Path) -> None:
    written = settlements(2)
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import django; django.setup()
from pathlib import Path
from apps.gateway.journal import JournalFile
JournalFile.create(Path({str(tmp_path)!r}), [{encode(written[0])!r}, {encode(written[1])!r}])
print("written", flush=True)
sys.stdin.read()
"""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "akashml.settings"}
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        found = search(tmp_path, set())
        assert found.left_behind == []
        assert [path.suffix for path, _ in found.others] == [SUFFIX]
        writer.kill()
        writer.wait()
    [file] = search(tmp_path, set()).left_behind
    assert file.read().settlements == written
    assert search(tmp_path, set()).left_behind == []  # it is ours now
    file.finish([], 0)
    assert list(tmp_path.iterdir()) == []


def test_own_files_are_left_alone(tmp_path: Path) -> None:
    file = journal(tmp_path, settlements(1))
    assert search(tmp_path, {file.path}) == Found([], [], [])
    file.close()


def test_a_file_that_never_came_to_be_is_swept_up_after_a_while(tmp_path: Path) -> None:
    young, old = tmp_path / f"young{UNFINISHED}", tmp_path / f"old{UNFINISHED}"
    for path in (young, old):
        path.write_bytes(b"half a li")
    os.utime(old, (old.stat().st_atime, old.stat().st_mtime - UNFINISHED_S - 1))
    assert search(tmp_path, set()) == Found([], [], [])
    assert list(tmp_path.iterdir()) == [young]


def test_what_was_refused_and_what_is_damaged_is_kept_for_people(tmp_path: Path) -> None:
    written = settlements(3)
    file = journal(tmp_path, written)
    with file.path.open("r+b") as damage:
        damage.seek(30)
        damage.write(b"#")
    contents = file.read()
    assert (contents.settlements, contents.damaged) == (written[1:], 1)
    file.finish([written[2]], contents.damaged)
    damaged, refused = sorted(tmp_path.iterdir())
    assert (damaged.suffix, refused.suffix) == (".damaged", ".refused")
    assert decode(refused.read_bytes()).settlements == [written[2]]
    # Somebody who has put things right gives it its name back.
    refused.rename(refused.with_suffix(SUFFIX))
    [again] = search(tmp_path, set()).left_behind
    assert again.read().settlements == [written[2]]
    again.close()


@pytest.mark.parametrize("fails", ["write", "fsync", "rename"])
def test_a_file_that_could_not_be_made_leaves_nothing(fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if fails == "rename":
        monkeypatch.setattr(Path, "rename", full)
    else:
        monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space"):
        journal(tmp_path, settlements(1))
    assert list(tmp_path.iterdir()) == []
