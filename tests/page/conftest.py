"""Servers as people meet them: open, with tokens and a closed area, with a low limit."""

import pytest
from browser import visit

from tests.system.conftest import flask, run, start, unharmed, wait_until_ready

__all__ = ["flask", "run", "start"]

SECRET = "not-a-real-secret-" * 4  # pragma: allowlist secret


@pytest.fixture(scope="session")
def serving(start):
    """Return a function that starts a server with settings, for a fixture to yield."""

    def begin(**settings):
        process, running = start(WORKERS="2", RATE_LIMIT="off", **settings)
        return unharmed(process, running, lambda: wait_until_ready(process, running)), (
            running
        )

    return begin


@pytest.fixture(scope="session")
def server(serving):
    up, running = serving()
    with up:
        yield running


@pytest.fixture(scope="session")
def strict_server(serving):
    """Asks for tokens and refuses homes outside the training area."""
    up, running = serving(AUTH="jwt", JWT_SECRET=SECRET, REFUSE_OUTSIDE_AREA="true")
    with up:
        yield running


@pytest.fixture(scope="session")
def token(flask):
    issued = flask(
        *("token", "issue", "--subject", "x", "--scope", "predict"), JWT_SECRET=SECRET
    )
    return issued.stdout.strip()


@pytest.fixture
def open_window(chromium, server):
    """Return a function that opens a window of its own on the open server."""
    windows = []

    def begin(running=server, **options):
        windows.append(visit(chromium, running.url, **options))
        return windows[-1].__enter__()

    yield begin
    for window in windows:
        window.__exit__(None, None, None)


@pytest.fixture
def window(open_window):
    return open_window()
