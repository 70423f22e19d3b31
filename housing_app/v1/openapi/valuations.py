"""Schemas of what /v1/predict answers."""

from housing_app.v1 import answers
from housing_app.v1.openapi.shapes import (
    REQUEST_ID,
    ROLE,
    VERSION,
    Shape,
    listed,
    members,
    nullable,
    number,
    ref,
    text,
    whole,
)
from housing_app.valuation import comparables, features, intervals


def _dollars(description: str = "") -> Shape:
    return number(description, unit="USD", minimum=0)


_PREDICTIONS = members(
    {
        "predictions": listed(ref("Prediction"), "In the order of the request."),
        "interval": number("Level of the ranges.", enum=list(intervals.LEVELS)),
        "currency": text(const=answers.CURRENCY),
        "valuation_date": nullable(text("Null where homes differ.", format="date")),
        "model": members({"name": text(), "version": VERSION, "variant": ROLE}),
        "request_id": REQUEST_ID,
    }
)
_PREDICTION = members(
    {
        "id": text("A new UUID for each valuation.", format="uuid"),
        "price": _dollars("The valuation."),
        "low": _dollars("Lower end of the range."),
        "high": _dollars("Upper end of the range."),
        "fsd": number(
            "Forecast standard deviation: two of three sale prices lie about this far "
            "off, or nearer; a fraction.",
            minimum=0,
        ),
        "confidence": text(enum=[name for name, _ in intervals.GRADES]),
        "valuation_date": text("The date this home was valued at.", format="date"),
        "missing": listed(text(enum=list(features.NAMES)), "Fields that were null."),
        "warnings": listed(ref("Warning"), "What makes this valuation doubtful."),
        "explanation": ref("Explanation"),
        "comparables": ref("Comparables"),
    },
    optional=("explanation", "comparables"),
)
_WARNING = members(
    {
        "code": text("Stays the same.", pattern="^[a-z-]+$"),
        "detail": text("May be reworded."),
    }
)
_EXPLANATION = members(
    {
        "base_price": _dollars("Where the reasons start."),
        "reasons": listed(
            members(
                {
                    "field": text("A field; location, demographics, valuation_date."),
                    "label": text(),
                    "factor": number("Multiplies on the way to the price.", minimum=0),
                    "dollars": number("Adds up to the price.", unit="USD"),
                }
            ),
            "Greatest first.",
        ),
    },
    "Why the price is what it is; null if the model that answered cannot say.",
)
_COMPARABLE = members(
    {
        "zipcode": text(),
        "sales": whole("Sales in the group.", minimum=1),
        "median_price": _dollars(),
        "price_per_sqft": _dollars(),
        "month": text("Median month of sale.", pattern="^[0-9]{4}-[0-9]{2}$"),
        "typical_home": members({name: number() for name in comparables.SHOWN}),
        "lat": number(unit="degrees"),
        "long": number(unit="degrees"),
        "distance_km": nullable(number(unit="km", minimum=0)),
        "similarity": number("1: should cost the same.", minimum=0, maximum=1),
    },
    "A group of at least five like sales, or one sale of the operator's own data.",
)
_COMPARABLES = listed(
    ref("Comparable"),
    "The most similar first; null if the model that answered has none.",
    maxItems=comparables.MOST,
)


SCHEMAS: dict[str, Shape] = {
    "Predictions": _PREDICTIONS,
    "Prediction": _PREDICTION,
    "Warning": _WARNING,
    "Explanation": nullable(_EXPLANATION),
    "Comparables": nullable(_COMPARABLES),
    "Comparable": _COMPARABLE,
}
