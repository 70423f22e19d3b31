"""Commands as an operator runs them: killed, interrupted, on a full disk, resumed."""

import errno
import os
import re
import resource
import signal
import subprocess
from contextlib import contextmanager

import pytest
from batch.conftest import children, nothing_under_the_final_names, wait_for


def test_a_killed_worker_ends_the_run_in_one_line(command, tmp_path, big):
    process = command(big, tmp_path / "out.csv", "--workers", 2, "--chunk", 1000)
    part = tmp_path / ".out.csv.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 100_000)
    os.kill(children(process)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    (line,) = errors.decode().splitlines()
    assert re.match(
        r"Error: .*/in.csv: a worker process was killed, out of memory", line
    )
    assert process.returncode == 1
    nothing_under_the_final_names(tmp_path)


def test_workers_end_with_a_parent_that_is_killed(command, tmp_path, big):
    process = command(big, tmp_path / "out.csv", "--workers", 2, "--chunk", 1000)
    found = wait_for(lambda: len(children(process)) == 2 and children(process))
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in found), 10)
    nothing_under_the_final_names(tmp_path)


def test_ctrl_c_ends_the_run_in_one_line(command, tmp_path, big):
    process = command(big, tmp_path / "out.csv", start_new_session=True)
    part = tmp_path / ".out.csv.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 100_000)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.decode().split() == ["Aborted!"]
    assert process.returncode == 1
    nothing_under_the_final_names(tmp_path)


@contextmanager
def small_disk(folder):
    """Make a folder a file system of 1 MB, or where that may not be, limit files."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "housing", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        limits = (1 << 20, resource.RLIM_INFINITY)
        limit = {
            "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        }
        yield errno.EFBIG, limit
        return
    try:
        yield errno.ENOSPC, {}
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_full_disk_ends_the_run_in_one_line(command, tmp_path, big, kind):
    disk = tmp_path / "disk"
    with small_disk(disk) as (code, options):
        process = command(big, disk / f"out.{kind}", **options)
        _, errors = process.communicate(timeout=120)
        (line,) = errors.decode().splitlines()
        assert line == f"Error: {disk}/out.{kind}: {os.strerror(code)}"
        assert process.returncode == 1
        nothing_under_the_final_names(disk)


def test_a_closed_pipe_ends_the_run_quietly(command, big):
    process = command(big, "-")
    assert process.stdout.readline().startswith(b"row,price")
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=120)
    assert errors == b""
    assert process.returncode == 1
