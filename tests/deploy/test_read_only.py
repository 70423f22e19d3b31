"""The container may have a read-only root: the server writes where it is told."""

import os
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR


def opened_for_writing(pid):
    """Return the regular files that a process has open and can write to."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = Path(os.readlink(link))
        info = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
        flags = int(info.split("flags:")[1].split()[0], 8)
        if flags & WRITING and target.is_absolute():
            found.add(target)
    return found


def test_a_server_writes_to_memory_metrics_output_and_its_instance_folder(server, home):
    assert server.get("/v1/info").status_code == 200
    assert server.post({"records": [home] * 1000}).status_code == 200
    assert server.get("/metrics").status_code == 200
    allowed = [Path("/dev"), server.metrics, server.output, server.instance]
    for pid in (server.pid, *server.workers()):
        written = opened_for_writing(pid)
        assert server.output in written, "the test looks at the wrong files"
        for path in written:
            assert any(path.is_relative_to(place) for place in allowed), path


def test_a_folder_that_takes_no_files_stops_the_start(run):
    words = ("-m", "gunicorn", "--config", "gunicorn.conf.py")
    done = run(*words, INSTANCE_DIR="/proc/nowhere", PORT="8199")
    assert done.returncode == 1
    last = (done.stdout + done.stderr).strip().splitlines()[-1]
    assert last.startswith("housing_app cannot start: INSTANCE_DIR: /proc/nowhere")


def test_without_a_journal_a_server_needs_no_folder(run):
    words = ("-m", "gunicorn", "--config", "gunicorn.conf.py", "--check-config")
    done = run(*words, INSTANCE_DIR="/proc/nowhere", JOURNAL="off")
    assert done.returncode == 0, done.stderr
