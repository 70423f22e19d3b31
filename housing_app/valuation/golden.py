"""Golden rows: inputs and answers an artifact carries, and must give again."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np

from housing_app.valuation import features
from housing_app.valuation.artifacts import CURE, Manifest
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import FloatArray, Homes

_TOLERANCE = 1e-6  # relative; other processors round sums differently

# Prices, lows and highs of homes with their demographics.
Value = Callable[[Homes, FloatArray], tuple[FloatArray, FloatArray, FloatArray]]


def rows(value: Value, homes: Homes, demographics: FloatArray) -> list[dict[str, Any]]:
    """Return inputs and answers for the manifest."""
    answers = np.array(value(homes, demographics)).T
    return [
        {
            "home": dict(
                zip(features.NAMES, _nullable(homes.values[i]), strict=True),
                zipcode=homes.zipcodes[i],
            ),
            "day": homes.days[i],
            "demographics": _nullable(demographics[i]),
            "expected": answers[i].tolist(),
        }
        for i in range(len(homes.zipcodes))
    ]


def inputs(manifest: Manifest) -> tuple[Homes, FloatArray]:
    """Return the golden rows' homes and their demographics."""
    golden = manifest.golden
    homes = features.homes((row["home"] for row in golden), date.min)
    homes = homes._replace(days=np.array([float(row["day"]) for row in golden]))
    joined = [[np.nan if v is None else v for v in r["demographics"]] for r in golden]
    shape = (len(golden), len(manifest.demographics))
    return homes, np.array(joined, dtype=np.float64).reshape(shape)


def check(value: Value, manifest: Manifest, where: str) -> None:
    """Refuse a model that does not give its own recorded answers."""
    try:
        found = np.array(value(*inputs(manifest))).T
        expected = np.array([row["expected"] for row in manifest.golden])
        wrong = ~np.isclose(found, expected, rtol=_TOLERANCE, atol=0).all(axis=1)
    except Exception as error:  # whatever a foreign manifest makes it raise
        text = f"{where}: golden rows cannot be valued ({error!r}); {CURE}"
        raise ArtifactError(text) from error
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ArtifactError(
            f"{where}: golden row {row} gives {found[row, 0]:.2f}, not "
            f"{expected[row, 0]:.2f}; {CURE}"
        )


def _nullable(values: FloatArray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
