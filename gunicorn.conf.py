"""gunicorn's settings; ours come from housing_app.config."""

import gc
import json
import os
import sys
import uuid
from http import HTTPStatus

# Before numpy loads: for a few rows one thread is five times faster than a team, and
# workers already use every core.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# prometheus-client opens files here as soon as it is imported.
if _metrics := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
    try:
        os.makedirs(_metrics, exist_ok=True)
    except OSError as error:
        sys.exit(f"housing_app cannot start: PROMETHEUS_MULTIPROC_DIR: {error}")

import structlog  # noqa: E402
from gunicorn import util as _gunicorn_util  # noqa: E402
from gunicorn.http import wsgi as _gunicorn_wsgi  # noqa: E402

from housing_app import background as _housing_background  # noqa: E402
from housing_app import config as _housing_config  # noqa: E402
from housing_app import error_reports as _housing_error_reports  # noqa: E402
from housing_app import errors as _housing_errors  # noqa: E402
from housing_app import library_logs as _housing_library_logs  # noqa: E402
from housing_app import logs as _housing_logs  # noqa: E402
from housing_app import metric_files as _housing_metric_files  # noqa: E402
from housing_app import tracing as _housing_tracing  # noqa: E402
from housing_app import traffic as _housing_traffic  # noqa: E402

try:
    _settings = _housing_config.load(os.environ)
except _housing_config.ConfigError as error:
    sys.exit(f"housing_app cannot start: {error}")

wsgi_app = "wsgi:app"
bind = _settings["BIND"]
workers = _settings["WORKERS"]
worker_class = "sync"
preload_app = True
timeout = 30
graceful_timeout = 30
keepalive = 5
# The request line and headers of an honest client are small.
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  # nosec B108
loglevel = _settings["LOG_LEVEL"]
# X-Forwarded-* are ProxyFix's business (TRUSTED_PROXIES), not gunicorn's, which would
# believe them of any local client.
forwarded_allow_ips = ""
secure_scheme_headers = {}
_gunicorn_wsgi.SERVER = "housing_app"  # there is no setting for the banner
accesslog = None  # the app logs each request itself, with its id
logger_class = _housing_library_logs.GunicornLogger
# Into a pipe or file Python writes by blocks: lines would be late, and a killed worker
# would take its last ones along.
sys.stdout.reconfigure(line_buffering=True)


def _refuse(sock, status_int, reason, mesg):  # noqa: ANN001, ANN202
    """Answer with a problem what gunicorn refuses before the app can see it.

    `mesg` quotes what the client sent, a token perhaps: it is neither sent nor logged.
    """
    request_id = uuid.uuid4().hex
    name = "bad-request" if status_int < 500 else "internal-error"
    phrase = HTTPStatus(status_int).phrase
    body = {
        "type": f"/problems/{name}",
        "title": _housing_errors.PROBLEMS[name].title,
        "status": status_int,
        "detail": f"{phrase}: the server did not hand this request to the service.",
        "request_id": request_id,
    }
    content = json.dumps(body) + "\n"
    head = (
        f"HTTP/1.1 {status_int} {phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/problem+json\r\nContent-Length: {len(content)}\r\n"
        f"X-Content-Type-Options: nosniff\r\nX-Request-ID: {request_id}\r\n\r\n"
    )
    structlog.contextvars.clear_contextvars()
    _housing_logs.log.warning("refused", request_id=request_id, status=status_int)
    _gunicorn_util.write_nonblock(sock, (head + content).encode())


# gunicorn has no setting for these answers. It writes all of them through this one
# function; tests/deploy/test_raw.py notices if a release stops doing so.
_gunicorn_util.write_error = _refuse


def on_starting(server):  # noqa: ANN001, ANN201
    """Refuse addresses that are too open, and drop lines that quote requests."""
    for bound in server.cfg.address:  # those of the command line, too
        shown = f"{bound[0]}:{bound[1]}" if isinstance(bound, tuple) else ""
        if _housing_config.auth_needed(_settings, shown):
            sys.exit(f"housing_app cannot start: {shown} is too open for AUTH=off")
    server.log.error_log.addFilter(
        lambda record: not str(record.msg).startswith("Invalid request from ip=")
    )


def when_ready(server):  # noqa: ANN001, ANN201
    """Say where the service answers and how to try it; get ready to fork."""
    # What is there before any worker stays there: no worker looks for garbage in it,
    # which would take time and copy memory that they share.
    gc.collect()
    gc.freeze()
    host = bind.replace("0.0.0.0", "127.0.0.1")  # noqa: S104  # nosec B104
    print(
        f"\nhousing_app answers on http://{host}; try\n\n"
        f"  curl http://{host}/v1/predict -H 'Content-Type: application/json' "
        "-d @examples/home.json\n",
        flush=True,
    )


def post_worker_init(worker):  # noqa: ANN001, ANN201
    """Start what a worker does beside its requests.

    The master's models may be older than serving.json: no request shall see them.
    """
    _housing_tracing.start(worker.wsgi)
    _housing_error_reports.start(worker.wsgi)
    _housing_traffic.follow(worker.wsgi)
    _housing_background.start(worker.wsgi)


def worker_exit(server, worker):  # noqa: ANN001, ANN201
    """End it before the worker does."""
    if worker.wsgi is not None:
        _housing_background.stop(worker.wsgi)
        _housing_error_reports.stop(worker.wsgi)
        _housing_tracing.stop(worker.wsgi)


def child_exit(server, worker):  # noqa: ANN001, ANN201
    """Keep what a worker that ended has counted, not its files."""
    if _metrics:
        try:
            _housing_metric_files.merge_dead(_metrics)
        except OSError as error:  # a full disk must not end the server
            server.log.error("Metric files are not merged: %s", error)
