"""The table of what a candidate must keep to."""

from collections.abc import Callable
from dataclasses import dataclass

from housing_app.training.costs import QUANTILES, REQUESTS
from housing_app.training.tables import percent
from housing_app.valuation import intervals
from housing_app.valuation.ratios import IAAO_LIMITS

FORMS: dict[str, Callable[[float], str]] = {
    "percent": percent,
    "signed": lambda value: percent(value, "+"),
    "decimal": lambda value: f"{value:+.3f}".replace("-", "−"),
    "one": lambda value: f"{value:.1f}",
    "plain": lambda value: f"{value:.3f}",
    "times": lambda value: f"{value:.2f} x",
    "count": lambda value: f"{value:.0f}",
    "MiB": lambda value: f"{value:.0f} MiB",
}


@dataclass(frozen=True)
class Gate:
    """Say what one criterion asks of a candidate, and why.

    limits: a value within them passes. Without `alone`, so does one that is no farther
    from the best value than the champion's, but for `slack` and chance.
    """

    key: str
    name: str
    form: str
    why: str
    limits: tuple[float | None, float] | None = None
    best: float = 0.0
    slack: float = 0.0
    alone: bool = False
    optional: str = ""  # why it may be left unjudged

    def passes(self, value: float, champion: float | None, chance: float = 0.0) -> bool:
        """Return whether a candidate's value is good enough beside the champion's.

        chance: the standard error of their difference, 0 where it is not known.
        """
        if self.limits:
            low, high = self.limits
            if (low is None or low <= value) and value <= high:
                return True
        if self.alone or champion is None:
            return False
        allowed = abs(champion - self.best) + self.slack + chance
        return abs(value - self.best) <= allowed + 1e-9

    @property
    def threshold(self) -> str:
        """Say what passes."""
        show = FORMS[self.form]
        if self.limits is None:
            side = "above" if self.best == 0 else "below"
            return f"up to {100 * self.slack:.1f} points {side} the champion's"
        low, high = self.limits
        text = f"up to {show(high)}" if low is None else f"{show(low)} to {show(high)}"
        return text if self.alone else f"{text}, or the champion's"

    def shown(self, value: float | None) -> str:
        """Return a value as text."""
        return "–" if value is None else FORMS[self.form](value)


_FEW = "no zipcode has 30 of the sales, and fewer say little of one"
_STORED = "the manifests have no valuation of each sale; the margins hold all the same"
_ELSEWHERE = "only Linux tells it"

_ASKED = {"one": "1 home", "thousand": "1,000 homes"}

GATES = (
    Gate("faults", "Faults of files and golden rows", "count",
         "what is not as it was written is not served", (None, 0), alone=True),
    Gate("likeness", "Farthest from the champion on its golden homes", "times",
         "no better model doubles the price of an ordinary home", (None, 2.0),
         alone=True),
    Gate("mdape", "MdAPE", "percent",
         "a standard error on 3,000 sales is 0.2 points; more is a worse model",
         slack=0.003),
    Gate("ppe10", "PPE10", "percent",
         "a standard error on 3,000 sales; more homes far off is a worse model",
         best=1.0, slack=0.01),
    Gate("ppe20", "PPE20", "percent",
         "large errors are what people complain of", best=1.0, slack=0.01),
    Gate("paired", "MdAPE above the champion's, surely", "percent",
         "the low end of the paired bootstrap's 95 % interval: above 0 it is surely "
         "worse, by however little", (None, 0.0), alone=True, optional=_STORED),
    Gate("bias", "Bias", "signed",
         "all prices too high or too low are soon seen", (-0.02, 0.02), slack=0.003),
    Gate("cod", "COD", "one", "IAAO standard: even for like homes",
         IAAO_LIMITS["cod"], slack=0.2),
    Gate("prd", "PRD", "plain", "IAAO standard: dear homes as cheap ones",
         IAAO_LIMITS["prd"], best=1.0, slack=0.002),
    Gate("prb", "PRB", "decimal", "IAAO standard: dear homes as cheap ones",
         IAAO_LIMITS["prb"], slack=0.01),
    *(
        Gate(f"coverage_{level}", f"{100 * level:.0f} % ranges miss it by", "percent",
             "what is stated must be achieved; two standard errors are not counted",
             (None, 0.02))
        for level in intervals.LEVELS
    ),
    *(
        Gate(f"decile_{level}", f"{100 * level:.0f} % ranges, worst price decile",
             "percent", "for cheap and dear homes alike; the worst of thirty figures "
             "is some three standard errors off by chance: they are not counted",
             (None, 0.05), slack=0.01)
        for level in intervals.LEVELS
    ),
    Gate("width", "Width of 90 % ranges, by the champion's", "times",
         "coverage is not to be bought with wide ranges", (None, 1.1), alone=True),
    Gate("zipcode", "Worst zipcode's median error", "percent",
         "IAAO standard: the level of each stratum within 10 %", (None, 0.10),
         slack=0.01, optional=_FEW),
    Gate("zipcodes", "Spread of the zipcodes' median errors", "percent",
         "no part of the county is to pay for another", (None, 0.05),
         slack=0.005, optional=_FEW),
    Gate("thirds", "Worst price third's median error", "percent",
         "IAAO standard: price strata within 5 % of each other's level",
         (None, 0.05), slack=0.01),
    *(
        Gate(f"{name}.p{q}", f"Time for {_ASKED[name]}, p{q}, by the champion's",
             "times", "a home takes under a millisecond, a request several: twice is "
             "not felt, more is", (None, 2.0), alone=True)
        for name in REQUESTS
        for q in QUANTILES
    ),
    Gate("memory", "Memory to load it", "MiB",
         "while models are swapped every worker holds two", (None, 256),
         optional=_ELSEWHERE),
)  # fmt: skip

BY_KEY = {gate.key: gate for gate in GATES}
