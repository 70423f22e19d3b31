"""Answers, the lines they become, and the row of a line."""

from datetime import UTC, date, datetime

from housing_app.journal import records

WARNING = {"code": "areas-do-not-add-up", "detail": "they do not"}
HOME = {"bedrooms": 3.0, "yr_built": None, "zipcode": "98103"}
DAY = "2015-03-31"


def answer(*ids):
    """Return an answer as value_payload gives it, of as many homes as ids."""
    model = {"name": "catboost-full", "version": 1, "variant": "champion"}
    predictions = [
        {
            "id": id_,
            "price": 500_000.25,
            "low": 400_000.0,
            "high": 600_000.0,
            "fsd": 0.11,
            "confidence": "high",
            "valuation_date": DAY,
            "missing": [],
            "warnings": [WARNING],
        }
        for id_ in ids
    ]
    return {"predictions": predictions, "interval": 0.9, "model": model}


def request(**changes):
    known = records.Request("r-1", "alice", "full", 1_700_000_000.25, 1.5)
    return known._replace(**changes)


def line(*ids, **changes):
    """Return the line of a request for as many homes as ids."""
    homes = [HOME | {"valuation_date": date(2015, 3, 31)} for _ in ids]
    return records.line(request(**changes), homes, answer(*ids))


ROW = {
    "id": "a",
    "request_id": "r-1",
    "answered_at": datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC),
    "subject": "alice",
    "endpoint": "full",
    "model": "catboost-full",
    "version": 1,
    "variant": "champion",
    "valuation_date": date(2015, 3, 31),
    "zipcode": "98103",
    "inputs": {"bedrooms": 3.0, "yr_built": None},
    "price": 500_000.25,
    "low": 400_000.0,
    "high": 600_000.0,
    "interval": 0.9,
    "fsd": 0.11,
    "confidence": "high",
    "warnings": ["areas-do-not-add-up"],
    "duration_ms": 1.5,
    "experiment": None,
    "arm": None,
    "client": None,
}

ARM = ("catboost-full-1/lightgbm-full-2", "challenger", "0123456789abcdef")


def shadow(*ids, at=1_700_000_000.25):
    """Return the line of what a shadow said of so many homes."""
    found = [(id_, 510_000.5, 410_000.0, 610_000.0) for id_ in ids]
    return records.shadow_line("lightgbm-full", 2, at, found)


SHADOW_ROW = {
    "prediction_id": "a",
    "model": "lightgbm-full",
    "version": 2,
    "price": 510_000.5,
    "low": 410_000.0,
    "high": 610_000.0,
    "valued_at": ROW["answered_at"],
}
