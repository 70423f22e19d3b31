"""Flask extensions, created unbound; `create_app` binds them."""

from collections.abc import Callable
from time import time
from typing import Any

from flask import current_app, g, request
from flask_limiter import Limiter, RequestLimit
from flask_limiter.util import get_remote_address
from prometheus_flask_exporter import PrometheusMetrics


def _note_wait(breached: RequestLimit) -> None:
    """Keep how long to wait where the error renderer finds it."""
    g.retry_after = max(1, breached.reset_at - int(time()))


limiter = Limiter(
    key_func=get_remote_address,
    default_limits=[lambda: current_app.config["RATE_LIMIT"]],
    storage_uri="memory://",
    strategy="fixed-window",
    on_breach=_note_wait,
)


@limiter.request_filter
def _is_scrape() -> bool:
    return request.path == "/metrics"


def _without_arguments(view: Callable[[], Any]) -> Callable[[], Any]:
    """Ignore `?name[]=`, on which the exporter fails over several processes."""

    def checked() -> Any:
        request.query_string = b""
        return view()

    return checked


# Serves /metrics, merged over all workers. It observes nothing itself: its default
# metrics label by raw path, which any client could blow up (see metrics.py).
exporter = PrometheusMetrics.for_app_factory(
    export_defaults=False, path="/metrics", metrics_decorator=_without_arguments
)
