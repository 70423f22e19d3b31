"""gunicorn's settings; ours come from housing_app.config."""

import os
import sys

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

from prometheus_client import multiprocess  # noqa: E402

from housing_app import config as _housing_config  # noqa: E402

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
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
loglevel = _settings["LOG_LEVEL"]
accesslog = None  # the app logs each request itself, with its id


def when_ready(server):  # noqa: ANN001, ANN201
    """Say where the service answers and how to try it."""
    host = bind.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    print(
        f"\nhousing_app answers on http://{host}; try\n\n"
        f"  curl http://{host}/v1/predict -H 'Content-Type: application/json' "
        "-d @examples/home.json\n",
        flush=True,
    )


def child_exit(server, worker):  # noqa: ANN001, ANN201
    """Drop the live gauges of a worker that ended."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)
