"""Schemas of what all routes but /v1/predict answer."""

from housing_app import checks
from housing_app.v1 import answers, schemas
from housing_app.v1.openapi.shapes import (
    REQUEST_ID,
    ROLE,
    VERSION,
    Shape,
    flag,
    listed,
    mapped,
    members,
    nullable,
    number,
    ref,
    text,
    whole,
)
from housing_app.valuation import features
from housing_app.valuation.features import FEATURES, ZIPCODE

_FIGURES = {
    "n": whole("Sales judged.", minimum=0),
    "r2": number("Share of the price variance explained, in dollars."),
    "mdape": number("Median absolute error, a fraction of the price.", minimum=0),
    "ppe10": number("Share valued within 10 % of the price.", minimum=0, maximum=1),
    "ppe20": number("Share valued within 20 % of the price.", minimum=0, maximum=1),
    "bias": number("Median relative error; negative: valued too low."),
    "cod": number("Coefficient of dispersion (IAAO).", unit="percent"),
    "prd": number("Price-related differential (IAAO); above 1: regressive."),
    "prb": number("Price-related bias (IAAO), change of ratio per doubling."),
}
_ASSESSORS = ("r2", "cod", "prd", "prb")  # of holdouts alone
_COVERAGE = mapped(
    members(
        {
            "achieved": number("Share of sales in range.", minimum=0, maximum=1),
            "relative_width": number("Median width over price.", minimum=0),
        }
    ),
    "By level: how often the ranges held the sale price.",
)
_DATE = text(format="date")
_WINDOW = {"from": _DATE, "to": _DATE}
_STATE = text(enum=[checks.OK, checks.DEGRADED, checks.FAILED])
# Each of the other parts says what there is to say of it.
_PART = members({"status": _STATE}) | {"additionalProperties": True}
_SLOT = text(enum=list(features.SLOTS))


_MODEL = members(
    {
        "slot": _SLOT,
        "role": ROLE,
        "name": text(),
        "version": VERSION,
        "kind": text(),
        "valuation_date": _DATE,
        "training": members(_WINDOW | {"rows": whole("Sales learned from.")}),
        "training_zipcodes": whole("Zipcodes learned from."),
        "accuracy": members(
            {
                "holdout": members(
                    _WINDOW
                    | {"train_rows": whole()}
                    | _FIGURES
                    | {"coverage": _COVERAGE}
                ),
                "random_split": nullable(members(_FIGURES)),
            }
        ),
    }
)
_INFO = members(
    {
        "service": text(),
        "version": text("Of the software."),
        "api": text("Of this interface."),
        "currency": text(const=answers.CURRENCY),
        "intervals": listed(number(), "Levels a range can have."),
        "confidence_fsd_limits": mapped(number(), "Greatest fsd of each grade."),
        "fields": listed(ref("Field")),
        "models": listed(_MODEL),
        "demographics": ref("DemographicsSource"),
    }
)
_FIELD = members(
    {
        "name": text(enum=[*(feature.name for feature in FEATURES), ZIPCODE]),
        "label": text(),
        "unit": text(),
        "minimum": number(),
        "maximum": number(),
        "step": nullable(number("Values are multiples of it.")),
        "zero_allowed": flag("0 has a meaning of its own."),
        "core": flag("/v1/predict/minimal takes it."),
        "nullable": flag(),
        "help": text(),
    },
    "A field of a home.",
    optional=("minimum", "maximum", "step", "zero_allowed"),
)
_SOURCE = members(
    {"zipcodes": whole("How many have demographics."), "columns": listed(text())}
)
_ZIPCODE = members(
    {
        "zipcode": text(pattern="^[0-9]{5}$"),
        "demographics": mapped(
            nullable(number()), "What is joined to its homes; null is unknown."
        ),
        "training_homes": whole("Sales learned from there.", minimum=0),
        "source": ref("DemographicsSource"),
    }
)
_ZIPCODES = members(
    {
        "zipcodes": listed(
            members(
                {
                    "zipcode": text(pattern="^[0-9]{5}$"),
                    "training_homes": whole("Sales learned from there.", minimum=5),
                    "lat": number("Middle of their homes.", unit="degrees"),
                    "long": number(unit="degrees"),
                    "radius_km": number("Holds 99 % of them.", unit="km", minimum=0),
                }
            ),
            "Empty where the model names no area.",
        )
    }
)
_ACCURACY = members(
    {
        "accuracy": listed(
            members(
                {
                    "model": text(),
                    "version": VERSION,
                    "slot": _SLOT,
                    "source": text(
                        "Later sales at training, or reported outcomes.",
                        enum=["holdout", "live"],
                    ),
                    **_WINDOW,
                    "segment": text(enum=list(schemas.SEGMENTS)),
                    "value": nullable(text("Which decile, zipcode or month.")),
                    **_FIGURES,
                    "coverage": _COVERAGE,
                },
                optional=("coverage", *_ASSESSORS),
            ),
            "Empty where nothing was measured yet.",
        ),
        "limits": mapped(
            listed(number(), minItems=2, maxItems=2),
            "What the IAAO calls acceptable, by figure.",
        ),
    }
)

_LOADED = nullable(text("Model id; null: none is loaded."))
_JOURNAL = members(
    {
        "status": _STATE,
        "detail": text("What is wrong."),
        "database": text("ok, or why records cannot be drained into it."),
        "waiting_segments": whole("Files in the spool.", minimum=0),
        "waiting_bytes": whole(minimum=0),
        "oldest_seconds": number("Age of the oldest of them.", minimum=0),
    },
    "Absent with JOURNAL=off.",
    optional=("detail",),
)
_HEALTH = members(
    {
        "status": _STATE,
        "version": text(),
        "uptime_seconds": number(minimum=0),
        "checks": members(
            {
                "models": members(
                    {
                        "status": _STATE,
                        **{str(slot): _LOADED for slot in features.SLOTS},
                    }
                ),
                "demographics": members(
                    {
                        "status": _STATE,
                        "source": text(enum=["csv", "database"]),
                        "version": VERSION,
                        "zipcodes": whole(),
                        "detail": text(),
                    },
                    optional=("source", "version", "zipcodes", "detail"),
                ),
                "outcomes": members(
                    {"status": _STATE, "detail": text()}, optional=("detail",)
                ),
                "journal": _JOURNAL,
            },
            optional=("journal",),
        )
        | {"additionalProperties": _PART},
    }
)

_PROBLEM = members(
    {
        "type": text("A page says what it means.", format="uri-reference"),
        "title": text("The same for all problems of a type."),
        "status": whole(minimum=400, maximum=599),
        "detail": text("What is wrong this time."),
        "instance": text("Path of the request."),
        "request_id": REQUEST_ID,
        "errors": listed(
            members(
                {
                    "pointer": text("JSON pointer (RFC 6901) into the body."),
                    "parameter": text("Name of the query parameter, instead."),
                    "detail": text(),
                },
                optional=("pointer", "parameter"),
            ),
            maxItems=schemas.MAX_ERRORS + 1,
        ),
    },
    "An error (RFC 9457).",
    optional=("errors",),
)
_PROBLEM_TYPE = members(
    {
        "type": text(format="uri-reference"),
        "title": text(),
        "status": whole(minimum=400, maximum=599),
        "meaning": text("When it is the answer."),
        "cure": text("What the client can do."),
    }
)

_REPORTED = members(
    {
        "stored": whole("Valuations that have an outcome from now on.", minimum=0),
        "known": whole("Those that had this one already.", minimum=0),
        "request_id": REQUEST_ID,
    }
)

SCHEMAS: dict[str, Shape] = {
    "Reported": _REPORTED,
    "Info": _INFO,
    "Field": _FIELD,
    "DemographicsSource": _SOURCE,
    "Zipcode": _ZIPCODE,
    "Zipcodes": _ZIPCODES,
    "Accuracy": _ACCURACY,
    "Health": _HEALTH,
    "Status": members({"status": text(const="ok")}),
    "Ready": members(
        {"status": text(const="ok"), "degraded": listed(text(), "Parts; see /health.")},
        optional=("degraded",),
    ),
    "OpenAPI": {"type": "object", "required": ["openapi", "info", "paths"]},
    "Problem": _PROBLEM,
    "ProblemType": _PROBLEM_TYPE,
    "ProblemTypes": members({"problems": listed(ref("ProblemType"))}),
}
