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


def test_a_server_writes_to_memory_to_its_metrics_and_to_its_output(server, home):
    assert server.get("/v1/info").status_code == 200
    assert server.post({"records": [home] * 1000}).status_code == 200
    assert server.get("/metrics").status_code == 200
    allowed = [Path("/dev"), server.metrics, server.output]
    for pid in (server.pid, *server.workers()):
        written = opened_for_writing(pid)
        assert server.output in written, "the test looks at the wrong files"
        for path in written:
            assert any(path.is_relative_to(place) for place in allowed), path
