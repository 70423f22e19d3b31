"""Spans to an OpenTelemetry collector, in batches, by a thread of this process.

Imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set: it needs the extra `otel`. Every
bound is set here, whatever the SDK's own variables say: a collector that is dead, slow
or hung costs spans, and no request waits for it.
"""

import logging
import os
import threading
from collections.abc import Sequence
from typing import NamedTuple

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Tracer

from housing_app import metrics
from housing_app.logs import log

_WAITING = 2_048  # spans
_BATCH = 512  # spans
_EVERY_MS = 2_000
_TIMEOUT_SECONDS = 5.0  # for a batch, repetitions included
_LAST_SECONDS = 1.0  # what a worker that ends spends on the rest
_THEIRS = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


class Collector(NamedTuple):
    """Say where spans go, and how many of them."""

    endpoint: str
    headers: dict[str, str]
    service: str
    version: str
    share: float


class _Reason(logging.Handler):
    """Keep what the exporter said last, which it says at every batch."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()[:300]


class _Counting(SpanExporter):
    """Count what became of spans, and say once when the collector goes or comes."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._is_up = True
        self.taken = 0
        self._reason = _Reason()
        logger = logging.getLogger(_THEIRS)
        logger.propagate = False
        logger.handlers = [self._reason]

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        self.taken += len(spans)
        result = self._exporter.export(spans)
        is_up = result is SpanExportResult.SUCCESS
        outcome = "sent" if is_up else "failed"
        metrics.trace_spans.labels(outcome).inc(len(spans))
        if is_up != self._is_up:
            self._is_up = is_up
            why = {} if is_up else {"reason": self._reason.text}
            log.warning("collector", up=is_up, **why)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Bounded(BatchSpanProcessor):
    """Drop and count what the collector is too slow for; the SDK drops in silence."""

    def __init__(self, exporter: _Counting) -> None:
        super().__init__(
            exporter,
            # Some more than are let in: a batch on its way counts as waiting here.
            max_queue_size=_WAITING + _BATCH,
            schedule_delay_millis=_EVERY_MS,
            max_export_batch_size=_BATCH,
        )
        self._counted = exporter
        self._let_in = 0
        self._lock = threading.Lock()

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span that has ended."""
        with self._lock:
            is_full = self._let_in - self._counted.taken >= _WAITING
            self._let_in += not is_full
        if is_full:
            metrics.labelled(metrics.trace_spans, "dropped").inc()
        else:
            super().on_end(span)


class Exporter:
    """Make spans and send them; of one process, for its thread outlives no fork."""

    def __init__(self, collector: Collector) -> None:
        self.process = os.getpid()
        self._processor = _Bounded(_Counting(_exporter(collector)))
        provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(collector.share)),
            resource=Resource.create(
                {
                    "service.name": collector.service,
                    "service.version": collector.version,
                    "process.pid": self.process,
                }
            ),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self._processor)
        self.tracer: Tracer = provider.get_tracer("housing_app", collector.version)

    def stop(self) -> None:
        """Send what waits, with a bound on how long that may take."""
        # The SDK's own bounds hold for some releases and not for others.
        last = threading.Thread(target=self._processor.shutdown, daemon=True)
        last.start()
        last.join(_LAST_SECONDS)


def _exporter(collector: Collector) -> SpanExporter:
    return OTLPSpanExporter(
        endpoint=collector.endpoint.rstrip("/") + "/v1/traces",
        headers=collector.headers,
        timeout=_TIMEOUT_SECONDS,
        session=requests.Session(),  # else imported in each worker anew
        compression=Compression.Gzip,
    )
