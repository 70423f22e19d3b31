"""The spool keeps whole lines, within its bound, whoever dies."""

import errno
import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from housing_app.config import ROOT
from housing_app.journal import segment as segments
from housing_app.journal.segment import Segment, adopted
from housing_app.journal.spool import Full, Spool

LINE = b'{"a": 1}\n'


def held(path):
    with adopted(path) as file:
        return file is None


def in_child(work):
    """Run something in a fork and return its exit code."""
    if (pid := os.fork()) == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# --- segments -------------------------------------------------------------------------


def test_a_segment_is_its_owners_until_it_is_closed(tmp_path):
    mine = Segment(tmp_path)
    mine.append(LINE)
    assert held(mine.path)
    mine.close()
    (path,) = tmp_path.iterdir()
    assert path.suffix == ".jsonl"
    with adopted(path) as file:
        assert file.read() == LINE


def test_a_segment_of_a_killed_process_can_be_adopted(tmp_path):
    def live():
        Segment(tmp_path).append(LINE)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(live) == -signal.SIGKILL
    (path,) = tmp_path.iterdir()
    assert path.suffix == ".open"
    with adopted(path) as file:
        assert file.read() == LINE


def test_only_its_user_can_read_a_segment(tmp_path):
    assert stat.S_IMODE(Segment(tmp_path).path.stat().st_mode) == 0o600


def test_a_segment_that_another_removed_at_its_birth_is_not_used(tmp_path, monkeypatch):
    """One who drains may lock and remove a segment before its owner locks it."""
    removed = []

    def late(fd, operation):
        if not removed:
            (path,) = tmp_path.iterdir()
            removed.append(path)
            path.unlink()
        flock(fd, operation)

    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", late)
    made = Segment(tmp_path)
    assert removed
    assert list(tmp_path.iterdir()) == [made.path]
    assert made.path not in removed


def test_a_line_that_does_not_fit_on_the_disk_is_taken_back_whole(tmp_path):
    """A limit on the file's size cuts a line as a full disk does."""

    def live():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        mine = Segment(tmp_path)
        mine.append(b"x" * 79 + b"\n")
        with pytest.raises(OSError, match="No space") as raised:
            mine.append(b"y" * 79 + b"\n")
        assert raised.value.errno == errno.ENOSPC
        assert not mine.is_torn
        mine.append(b"z" * 9 + b"\n")

    assert in_child(live) == 0
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == b"x" * 79 + b"\n" + b"z" * 9 + b"\n"


def test_a_segment_that_cannot_be_mended_is_given_up(spool, monkeypatch):
    spool.append(LINE)
    (first,) = spool.segments()
    with monkeypatch.context() as patched:
        patched.setattr(segments.os, "write", lambda fd, line: 3)
        patched.setattr(segments.os, "ftruncate", fail)
        with pytest.raises(OSError, match="No space"):
            spool.append(LINE)
    assert not first.exists()
    spool.append(LINE)
    assert len(spool.segments()) == 2


def fail(*_):
    raise OSError(errno.EIO, "broken")


def test_a_fork_writes_to_a_segment_of_its_own(spool):
    spool.append(LINE)
    assert in_child(lambda: spool.append(LINE)) == 0
    first, second = spool.segments()
    assert held(first)
    assert not held(second)
    spool.append(LINE)
    assert first.read_bytes() == 2 * LINE


# --- the folder -----------------------------------------------------------------------


def test_the_spool_is_made_when_it_is_needed_and_for_one_user(tmp_path):
    spool = Spool(tmp_path / "instance" / "spool", 1_000)
    assert spool.segments() == []
    spool.append(LINE)
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700


def test_the_bound_holds_for_all_segments_together(spool):
    other = Spool(spool.folder, 1_000)
    spool.append(b"x" * 699 + b"\n")
    other.append(b"x" * 199 + b"\n")
    with pytest.raises(Full):
        other.append(b"x" * 199 + b"\n")
    other.append(b"x" * 99 + b"\n")
    assert other.measure().size == 1_000


def test_there_is_room_again_once_the_spool_was_drained(spool):
    small = Spool(spool.folder, 100)
    small.append(b"x" * 99 + b"\n")
    with pytest.raises(Full):
        small.append(LINE)
    small.close()
    small.segments()[0].unlink()
    small.measure()
    small.append(LINE)


def test_a_full_spool_is_looked_at_again_without_a_background_job(spool, monkeypatch):
    small = Spool(spool.folder, 100)
    small.append(b"x" * 99 + b"\n")
    small.close()
    small.segments()[0].unlink()
    with pytest.raises(Full):
        small.append(LINE)  # looked at less than a second ago
    small._measured_at -= 2
    small.append(LINE)


def test_rejected_records_count_as_well(spool):
    spool.append(LINE)
    spool.reject("1.jsonl", [("why", LINE)])
    found = spool.measure()
    assert found.rejected == 1
    assert found.size > len(LINE) + len("why")


def test_segments_stay_few_while_nobody_drains_them(spool):
    for _ in range(200):
        spool.append(LINE)
        spool.rotate()
        spool.measure()
    assert len(spool.segments()) == 33
    for path in spool.segments():
        if not held(path):
            path.unlink()
    spool.measure()
    spool.rotate()
    assert [path.suffix for path in spool.segments()] == [".jsonl"]


def test_lines_appended_while_segments_change_are_all_there(spool, quick_switching):
    done = threading.Event()

    def rotate():
        while not done.is_set():
            spool.rotate()

    thread = threading.Thread(target=rotate)
    thread.start()
    for number in range(3_000):
        spool.append(b"%d\n" % number)
        if number % 20 == 0:
            time.sleep(0)  # or the other thread hardly gets the lock
    done.set()
    thread.join()
    spool.close()
    text = b"".join(path.read_bytes() for path in spool.segments())
    assert sorted(map(int, text.split())) == list(range(3_000))
    assert len(spool.segments()) > 10


def test_two_threads_append_whole_lines_to_one_segment(spool, quick_switching):
    """A request's, and that of a shadow."""

    def append(letter):
        for number in range(2_000):
            spool.append(letter * (number % 90) + b"%d\n" % number)
            if number % 20 == 0:
                time.sleep(0)

    threads = [threading.Thread(target=append, args=(x,)) for x in (b"a", b"b")]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        spool.rotate()
    spool.close()
    text = b"".join(path.read_bytes() for path in spool.segments())
    wanted = [x * (n % 90) + b"%d" % n for x in (b"a", b"b") for n in range(2_000)]
    assert sorted(text.splitlines()) == sorted(wanted)


@pytest.fixture
def quick_switching():
    """Let threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_one_process_drains_at_a_time(spool):
    spool.append(LINE)
    with spool.draining() as first:
        assert first
        with Spool(spool.folder, 1_000).draining(0.1) as second:
            assert not second
    with spool.draining() as again:
        assert again


def test_a_process_that_was_killed_drains_no_longer(spool):
    spool.append(LINE)
    text = (
        "import os, sys, pathlib; from housing_app.journal.spool import Spool\n"
        "with Spool(pathlib.Path(sys.argv[1]), 1).draining() as mine:\n"
        "    assert mine; os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", text, str(spool.folder)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    with spool.draining() as mine:
        assert mine


def test_rejected_lines_come_back_as_they_were(spool):
    spool.prepare()
    lines = [b"\xff\x00 no text\n", '{"ä": "\\ud800"}\n'.encode(), LINE]
    spool.reject("1.jsonl", [("why", line) for line in lines])
    assert spool.restore_rejected() == 3
    assert spool.rejected() == []
    (path,) = spool.segments()
    assert path.read_bytes() == b"".join(lines)


def test_every_process_knows_why_the_last_attempt_failed(spool):
    spool.prepare()
    spool.note("no answer")
    other = Spool(spool.folder, 1)
    assert other.measure().trouble == "no answer"
    spool.note("")
    assert other.measure().trouble == ""
