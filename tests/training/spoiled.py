"""A model made worse in one way, to see that it is noticed."""

import time
from dataclasses import dataclass, fields, replace

import numpy as np

from housing_app.valuation.intervals import Calibration, Group
from housing_app.valuation.predictor import Predictor


@dataclass(frozen=True)
class Spoiled(Predictor):
    """Value as the model does, but for a factor where `where` says so, and slower."""

    factor: float = 1.0
    zipcode: str = ""  # of these homes alone, if named
    seconds: float = 0.0

    def estimate(self, homes, *others):
        end = time.process_time() + self.seconds
        while time.process_time() < end:
            pass
        found = super().estimate(homes, *others)
        here = np.array([self.zipcode in ("", z) for z in homes.zipcodes])
        moved = found.log_prices + np.where(here, np.log(self.factor), 0.0)
        return found._replace(log_prices=moved)


def spoiled(model, **how):
    parts = {field.name: getattr(model, field.name) for field in fields(Predictor)}
    return Spoiled(**parts, **how)


def with_ranges(model, times):
    """Return the model with ranges so many times as wide, in log price."""
    groups = [
        Group(
            group.missing,
            {k: (low * times, high * times) for k, (low, high) in
             group.multipliers.items()},
            group.fsd,
        )
        for group in model.calibration.groups
    ]  # fmt: skip
    return replace(model, calibration=Calibration(groups))


def renamed(model, name="other"):
    return replace(model, manifest=replace(model.manifest, name=name))
