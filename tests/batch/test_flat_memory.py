"""Memory does not grow with a file."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import plausible
import pytest
from batch.conftest import written

from housing_app.config import ROOT

FEW, MANY = 100, 1_000  # times 200 homes: 20 chunks and 200


def peak(source, out, county_csv):
    """Return the MiB that scoring a file took at most, in one process."""
    command = [sys.executable, "-m", "flask", "--app", "housing_app", "score"]
    command += [source, out, "--workers", "1", "--chunk", "1000"]
    environ = os.environ | {"DEMOGRAPHICS_CSV": str(county_csv)}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environ, stderr=subprocess.DEVNULL
    )
    # Not ru_maxrss: that begins with what the process held that it was forked from.
    most = 0
    while process.poll() is None:
        text = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", text)
        most = int(found[1]) if found else most
        time.sleep(0.01)
    assert process.returncode == 0
    return most / 1024


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_ten_times_the_rows_take_the_same_memory(tmp_path, county_csv, kind):
    # Through another format, so that each is read and written.
    text = "jsonl" if kind == "jsonl" else "csv"
    homes = [home | {"note": "x" * 200} for home in plausible.homes(200, 2)]
    content = written(text, homes)
    header = content[: content.index(b"\n") + 1] if text == "csv" else b""
    found = []
    for times in (FEW, MANY):
        source = tmp_path / f"in{times}.{text}"
        source.write_bytes(header + content[len(header) :] * times)
        found.append(peak(source, tmp_path / f"out{times}.{kind}", county_csv))
        source.unlink()
    assert found[1] - found[0] < 40
    assert (tmp_path / f"out{MANY}.{kind}").stat().st_size > 1_000_000
