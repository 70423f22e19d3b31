"""What training homes, their valuations and warnings are like: to tell drift from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from housing_app.demographics import Demographics
from housing_app.training import distributions, drift, evaluate
from housing_app.training.dataset import Sales
from housing_app.training.drift import Asked
from housing_app.valuation import features
from housing_app.valuation.features import Homes
from housing_app.valuation.predictor import Predictor


def of(model: Predictor, sales: Sales, demographics: Demographics) -> dict[str, Any]:
    """Return the drift reference of a model and the sales it learned from."""
    asked = [f.name for f in features.slot_features(evaluate.slot_of(model))]
    answered = answers(model, sales, demographics)
    return of_answers(answered, asked, model.manifest.zipcodes)


def answers(model: Predictor, sales: Sales, demographics: Demographics) -> Asked:
    """Return the homes of sales as requests that name no date have them answered.

    Prices are the model's own valuations, at the date it values homes at: valuations
    vary less than what is paid, and sale dates are spread over a year. So live prices
    differ from them by the homes that are asked about, not by how they are made.
    """
    asked = [f.name for f in features.slot_features(evaluate.slot_of(model))]
    values = sales.homes.values.copy()
    values[:, ~np.isin(features.NAMES, asked)] = np.nan
    days = np.full(len(sales), float(model.valuation_date.toordinal()))
    homes = Homes(values, sales.homes.zipcodes, days)
    found = model.value(homes, demographics.join(homes.zipcodes, model.demographics))
    codes = [[warning["code"] for warning in one] for one in found.warnings]
    return Asked(values, homes.zipcodes, found.prices, codes)


def of_answers(
    answered: Asked, names: Sequence[str], area: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the drift reference of homes, as they were answered."""
    columns = drift.columns(answered, names, area)
    return {
        "rows": len(answered.prices),
        "columns": {
            name: distributions.fit(column).to_json()
            for name, column in columns.items()
        },
        "warnings": drift.warned(answered),
    }
