"""Flask extensions, created unbound; `create_app` binds them."""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_flask_exporter import PrometheusMetrics

from housing_app import metric_files
from housing_app.limits import Limiter

limiter = Limiter()


def _without_arguments(view: Callable[[], Any]) -> Callable[[], Any]:
    """Ignore `?name[]=`, on which the exporter fails over several processes."""

    @wraps(view)  # its name is that of the endpoint
    def checked() -> Any:
        request.query_string = b""
        return view()

    return checked


class _Exporter(PrometheusMetrics):
    """Serve /metrics, merged over all workers.

    It observes nothing itself: its default metrics label by raw path, which any client
    could blow up (see metrics.py).
    """

    def generate_metrics(self, accept_header: str = "", names: object = None) -> Any:
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder is None:  # one process, nothing in files
            return super().generate_metrics(accept_header, names)
        registry = CollectorRegistry()
        metric_files.Collector(registry, folder)
        write, content_type = choose_encoder(accept_header)
        with metric_files.reading(folder):
            return write(registry).decode(), content_type


exporter = _Exporter.for_app_factory(
    export_defaults=False, path="/metrics", metrics_decorator=_without_arguments
)
