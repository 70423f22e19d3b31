"""The shadow values what clients are answered, off their path and unseen by them.

A thread of each worker takes homes from a short queue while no request is under way,
and rests between them: a worker that is busy drops them, and counts what it drops.
"""

import queue
from collections.abc import Callable, Sequence
from time import perf_counter, sleep
from typing import NamedTuple

import numpy as np
from flask import Flask

from housing_app import background, demographics, metrics
from housing_app.logs import log
from housing_app.valuation import predictor
from housing_app.valuation.features import FloatArray, Homes, Slot

_WAITING = 64  # requests
_MOST_HOMES = 100  # of a request: more would keep the next one waiting
_PAUSE_SECONDS = 0.001  # until an answer has left, and between looks
_REST = 20  # times as long as a valuation took: 5 % of the time, at most
_GET_SECONDS = 0.5

Row = tuple[str, float, float, float]  # prediction's id, price, low, high
Record = Callable[[str, int, Sequence[Row]], object]


class _Offer(NamedTuple):
    """Hold homes that were answered, and what the client was told."""

    slot: Slot
    homes: Homes
    prices: FloatArray
    ids: Sequence[str]


class Answering:
    """Say while a request is under way: `with` it, nothing is valued for the shadow."""

    def __init__(self) -> None:
        self.is_on = False

    def __enter__(self) -> None:
        self.is_on = True

    def __exit__(self, *_: object) -> None:
        self.is_on = False


answering = Answering()
_offers: queue.Queue[_Offer] = queue.Queue(_WAITING)


def init_app(app: Flask, record: Record) -> None:
    """Value beside the requests; `record` takes the rows of what was valued."""
    background.add(app, "shadow", 0.0, lambda: _serve(record))


def offer(slot: Slot, homes: Homes, prices: FloatArray, ids: Sequence[str]) -> None:
    """Have a slot's shadow value homes that were answered, if it has one and time."""
    shadow = predictor.current(slot, "shadow")
    if shadow is None:
        return
    try:
        if len(ids) > _MOST_HOMES:
            raise queue.Full
        _offers.put_nowait(_Offer(slot, homes, prices, ids))
    except queue.Full:
        _count(shadow.manifest.name, shadow.manifest.version, "dropped", len(ids))


def _serve(record: Record) -> None:
    """Value one offer, when there is one and no request is under way."""
    try:
        found = _offers.get(timeout=_GET_SECONDS)
    except queue.Empty:
        return
    sleep(_PAUSE_SECONDS)
    while answering.is_on:
        sleep(_PAUSE_SECONDS)
    began = perf_counter()
    _value(found, record)
    sleep(_REST * (perf_counter() - began))


def _value(found: _Offer, record: Record) -> None:
    shadow = predictor.current(found.slot, "shadow")
    if shadow is None:
        return
    name, version = shadow.manifest.name, shadow.manifest.version
    try:
        rows = demographics.current().join(found.homes.zipcodes, shadow.demographics)
        valued = shadow.value(found.homes, rows, slot=found.slot)
    except Exception as error:
        _count(name, version, "failed", len(found.ids))
        log.error("shadow failed", model=shadow.manifest.id, exc_info=error)
        return
    _count(name, version, "valued", len(found.ids))
    apart = np.abs(np.log(valued.prices / found.prices))
    histogram = metrics.labelled(metrics.shadow_disagreement, name, version)
    for one in apart.tolist():
        histogram.observe(one)
    columns = (valued.prices, valued.lows, valued.highs)
    record(
        name,
        version,
        list(zip(found.ids, *(c.round(2).tolist() for c in columns), strict=True)),
    )


def _count(name: str, version: int, result: str, homes: int) -> None:
    metrics.labelled(metrics.shadow_homes, name, version, result).inc(homes)
