"""The whole service inside this process, every guard on; beside it the empty view."""

import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import servers

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy loads, as gunicorn.conf.py does

Call = Callable[[bytes, str], bytes]


@contextmanager
def apps() -> Iterator[dict[str, Call]]:
    """Yield what asks the empty view and the service; the log goes to a file."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        environ, token = servers.settings(folder, 8000, 1)
        os.environ.update(environ)
        # Only now: prometheus-client looks for its folder as soon as it is imported.
        import empty

        from housing_app import create_app, traffic

        app = create_app()
        traffic.install(app.config)
        with (folder / "log").open("w") as log, redirect_stdout(log):
            yield {"empty": _asker(empty.app, ""), "ours": _asker(app, token)}


def _asker(app: Callable[..., Any], token: str) -> Call:
    def ask(body: bytes, query: str = "") -> bytes:
        said: list[str] = []
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": servers.PREDICT,
            "QUERY_STRING": query,
            "SERVER_NAME": "x",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.1",
            "HTTP_AUTHORIZATION": f"Bearer {token}",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        answer = b"".join(app(environ, lambda status, headers: said.append(status)))
        assert said[0].startswith("200"), answer
        return answer

    return ask


def least(
    variants: Mapping[str, Callable[[], Any]], turns: int, calls: int
) -> dict[str, float]:
    """Return the least microseconds of a call of each, the variants taking turns.

    Other programs only ever add time: the least of many is the steadiest figure.
    """
    best = dict.fromkeys(variants, float("inf"))
    for _ in range(turns):
        for name, call in variants.items():
            began = time.perf_counter()
            for _ in range(calls):
                call()
            took = (time.perf_counter() - began) / calls * 1e6
            best[name] = min(best[name], took)
    return best
