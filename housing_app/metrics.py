"""Prometheus metrics.

Labels have few values by design: route rules, never paths, zipcodes or clients.
"""

from collections.abc import Mapping
from functools import cache
from math import nan
from time import perf_counter
from typing import Any

from flask import Flask, Request, Response, g, request
from prometheus_client import Counter, Gauge, Histogram

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

requests = Counter(
    "http_requests", "HTTP requests answered.", ["method", "route", "status"]
)
request_seconds = Histogram(
    "http_request_duration_seconds",
    "Time from a request's arrival in the app to its answer.",
    ["route"],
    buckets=_SECONDS,
)
predictions = Counter(
    "prediction_requests",
    "Requests for valuations that a model answered, now or, from the cache, before.",
    ["model", "version", "variant", "endpoint"],
)
homes_valued = Counter("homes_valued", "Homes in those requests.", ["model", "version"])
prediction_seconds = Histogram(
    "prediction_duration_seconds",
    "Time a model took for one request's homes.",
    ["model", "version"],
    buckets=(0.0001, 0.00025, 0.0005, *_SECONDS),
)
prediction_errors = Counter(
    "prediction_errors",
    "Requests on which a model raised; its slot's fallback answers them.",
    ["model", "version"],
)
# "mostrecent": every process that loads a model sets the same values.
model_load_seconds = Gauge(
    "model_load_time_seconds",
    "Time to read, verify and prepare all served models.",
    multiprocess_mode="mostrecent",
)
model_info = Gauge(
    "model_info",
    "1 for each model that serves a role.",
    ["slot", "role", "model", "version"],
    multiprocess_mode="mostrecent",
)
model_rollbacks = Counter(
    "model_rollbacks",
    "Champions that a worker took out of service, because of errors or of their time.",
    ["slot"],
)
model_refusals = Counter(
    "model_refusals",
    "Changes of serving.json that a worker did not follow, by slot.",
    ["slot"],
)
shadow_homes = Counter(
    "shadow_homes",
    "Homes for the shadow: valued, dropped (a worker had no time) or failed.",
    ["model", "version", "result"],
)
shadow_disagreement = Histogram(
    "shadow_disagreement",
    "How far the shadow's prices are from those that were answered, in log price.",
    ["model", "version"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)
model_objects = Counter(
    "model_objects_fetched",
    "Objects of the model store at the start: in INSTANCE_DIR (local), Redis (cache) "
    "or fetched (store).",
    ["source"],
)
model_cache_poisoned = Counter(
    "model_cache_poisoned", "Models' bytes in Redis that were not what their key says."
)

trace_spans = Counter(
    "trace_spans",
    "Spans for the collector: sent, failed (it did not take them) or dropped (too many "
    "were waiting for it).",
    ["result"],
)
error_reports = Counter(
    "error_reports",
    "Errors for Sentry: queued, held (too many in a minute) or lost (it did not take "
    "them).",
    ["result"],
)
auth_failures = Counter(
    "auth_failures", "Requests without a good token where one is needed."
)
rate_limited = Counter(
    "rate_limited", "Requests refused because a client's share was used up.", ["policy"]
)
demographics_version = Gauge(
    "demographics_version",
    "Version of the demographics from the database, 0 for those of the CSV; the lowest "
    "of all workers.",
    multiprocess_mode="livemin",
)
demographics_zipcodes = Gauge(
    "demographics_zipcodes",
    "Zipcodes with demographics in service; the fewest of all workers.",
    multiprocess_mode="livemin",
)
store_down = Gauge(
    "store_down",
    "1 while a worker cannot use a store and does without it.",
    ["store"],
    multiprocess_mode="livemax",
)
journal_records = Counter("journal_records", "Predictions written to the spool.")
journal_dropped = Counter(
    "journal_dropped", "Predictions that could not be written to the spool."
)
journal_drained = Counter(
    "journal_drained", "Predictions taken from the spool into the database."
)
journal_rejected = Counter(
    "journal_rejected", "Records set aside because the database does not take them."
)
journal_torn = Counter(
    "journal_torn", "Lines that a worker was writing when it ended; never answered."
)
journal_spool_bytes = Gauge(
    "journal_spool_bytes",
    "Bytes in the spool.",
    multiprocess_mode="mostrecent",
)
journal_oldest_seconds = Gauge(
    "journal_oldest_seconds",
    "Age of the oldest segment that waits for the database.",
    multiprocess_mode="mostrecent",
)
cache_requests = Counter(
    "cache_requests",
    "Requests for valuations, by what the cache did: hit, miss, bypassed (its store "
    "is left alone) or error (the store failed or an entry was no good; a failed write "
    "counts, too).",
    ["result"],
)
_LIVE = ["model", "version", "slot"]
live_outcomes = Gauge(
    "live_outcomes",
    "Valuations whose sale price was reported, from five on.",
    _LIVE,
    multiprocess_mode="mostrecent",
)
live_mdape = Gauge(
    "live_mdape",
    "Median absolute error against reported sale prices, a fraction.",
    _LIVE,
    multiprocess_mode="mostrecent",
)
live_ppe10 = Gauge(
    "live_ppe10",
    "Share valued within 10 % of the reported sale price.",
    _LIVE,
    multiprocess_mode="mostrecent",
)
live_bias = Gauge(
    "live_bias",
    "Median relative error against reported sale prices; negative: too low.",
    _LIVE,
    multiprocess_mode="mostrecent",
)
live_coverage = Gauge(
    "live_coverage",
    "Share of reported sale prices inside ranges of a level.",
    [*_LIVE, "level"],
    multiprocess_mode="mostrecent",
)

drift_level = Gauge(
    "drift_level",
    "The newest drift report: 0 quiet, 1 warning, 2 alarm, -1 too few homes.",
    ["slot", "model", "version"],
    multiprocess_mode="mostrecent",
)
drift_homes = Gauge(
    "drift_homes",
    "Homes in the newest drift report.",
    ["slot"],
    multiprocess_mode="mostrecent",
)
drift_report_seconds = Gauge(
    "drift_report_timestamp_seconds",
    "Unix time at which the newest drift report was made.",
    ["slot"],
    multiprocess_mode="mostrecent",
)
drift_psi = Gauge(
    "drift_psi",
    "Population stability index of a field, the zipcode or the price.",
    ["slot", "field"],
    multiprocess_mode="mostrecent",
)
drift_ks = Gauge(
    "drift_ks",
    "Kolmogorov-Smirnov distance of the same.",
    ["slot", "field"],
    multiprocess_mode="mostrecent",
)
drift_missing = Gauge(
    "drift_missing",
    "Share of homes without a field.",
    ["slot", "field"],
    multiprocess_mode="mostrecent",
)
drift_unseen_zipcodes = Gauge(
    "drift_unseen_zipcodes",
    "Share of homes in zipcodes that were not learned from.",
    ["slot"],
    multiprocess_mode="mostrecent",
)
drift_warnings = Gauge(
    "drift_warnings",
    "Share of answers with a warning.",
    ["slot"],
    multiprocess_mode="mostrecent",
)


class Told:
    """Set some gauges, and to NaN those of which nothing is known any more."""

    def __init__(self) -> None:
        self._known: set[tuple[Gauge, tuple[str, ...]]] = set()

    def tell(self, found: Mapping[tuple[Gauge, tuple[str, ...]], float]) -> None:
        """Set gauges by the values of their labels."""
        for gauge, labels in self._known - found.keys():
            gauge.labels(*labels).set(nan)
        for (gauge, labels), figure in found.items():
            gauge.labels(*labels).set(figure)
        self._known = set(found)


@cache
def labelled(metric: Any, *labels: object) -> Any:
    """Return a metric's child; the look-up of the library takes longer."""
    return metric.labels(*labels)


def init_app(app: Flask) -> None:
    """Observe every request, those that match no route included."""

    @app.before_request
    def start_clock() -> None:
        g.started = perf_counter()

    @app.after_request
    def observe(response: Response) -> Response:
        asked: Request = request._get_current_object()  # type: ignore[attr-defined]
        route = asked.url_rule.rule if asked.url_rule else "none"
        # A client may send any word as a method.
        method = asked.method if asked.method in _METHODS else "other"
        labelled(requests, method, route, response.status_code).inc()
        labelled(request_seconds, route).observe(perf_counter() - g.started)
        return response
