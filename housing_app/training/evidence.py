"""Judge a candidate and its champion on the same sales, later than all they learned.

Nothing is chosen by these sales: the cut is the one the candidate was trained with, or
the end of a training window, and the thresholds are in the code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from housing_app.demographics import Demographics
from housing_app.training import compare, dataset, evaluate, significance
from housing_app.training.compare import MIN_SALES, Pair
from housing_app.training.dataset import Sales, SalesError
from housing_app.training.evaluate import Figures, Judged
from housing_app.training.fit import recipe_of
from housing_app.training.train import CALIBRATION_DAYS
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.predictor import Predictor

_CURE = (
    f"Give --sales a file with {MIN_SALES} sales or more that are later than what the "
    "champion learned from"
)
_PARTS = ("overall", "coverage", "by_decile", "by_zipcode")


@dataclass(frozen=True)
class Evidence:
    """Hold what two models did on the same sales; the candidate comes first.

    paired: None where only figures are known, not each sale's valuation; chances then
    are none either: standard errors of the two models' differences.
    """

    way: str
    figures: tuple[Figures, Figures]
    sales_sha256: str
    paired: Figures | None = None
    chances: Mapping[str, float] = field(default_factory=dict)


def stored(candidate: Manifest, champion: Manifest) -> Evidence:
    """Return what the manifests say, where they judge the same sales."""
    found = compare.stored(candidate, champion)
    figures = (candidate.metrics["out_of_time"], champion.metrics["out_of_time"])
    if found is None or any(p not in f for f in figures for p in _PARTS):
        raise SalesError(
            f"the manifests of {candidate.id} and {champion.id} were judged on "
            f"different sales. {_CURE}"
        )
    return Evidence(
        "the figures in both manifests: each recipe fitted on the sales before "
        f"{found['cut']} and judged on the same later ones",
        figures,
        candidate.training["sha256"],
    )


def gather(pair: Pair, sales: Sales, demographics: Demographics) -> Evidence:
    """Judge both on later sales; fit again what has seen them.

    As they are, where enough sales are later than both training windows. Else the
    candidate's recipe is fitted again on the sales before its cut; and so is the
    champion's, if it has seen sales after that day.
    """
    candidate, champion = pair
    later = compare.after(pair, sales)
    if later.sum() >= MIN_SALES:
        way = "both as they are, on sales later than all they learned from"
        return _judged(way, pair, sales.where(later), demographics)
    cut = _cut(candidate.manifest, sales)
    dataset.check_cut(sales, cut, CALIBRATION_DAYS)
    if date.fromisoformat(champion.manifest.training["to"]) < cut:
        (again,) = compare.fitted_before(cut, [candidate], sales, demographics)
        return of_training(again, champion, sales, demographics, cut)
    recipes = [recipe_of(model.manifest) for model in pair]
    if recipes[0] == recipes[1]:
        raise SalesError(
            f"{candidate.manifest.id} and {champion.manifest.id} have one recipe: "
            f"fitted again they are the same. {_CURE}"
        )
    ours, theirs = compare.fitted_before(cut, pair, sales, demographics)
    unseen = sales.where(~dataset.before(sales, cut))
    way = f"both recipes fitted again on the sales before {cut}"
    return _judged(way, (ours, theirs), unseen, demographics)


def of_training(
    judged: Predictor,
    champion: Predictor,
    sales: Sales,
    demographics: Demographics,
    cut: date,
) -> Evidence:
    """Judge a candidate's recipe, fitted before the cut, and the champion as it is."""
    way = (
        f"the candidate's recipe fitted on the sales before {cut}, the champion as it "
        f"is: it learned from none later than {champion.manifest.training['to']}"
    )
    unseen = sales.where(~dataset.before(sales, cut))
    return _judged(way, (judged, champion), unseen, demographics)


def _cut(candidate: Manifest, sales: Sales) -> date:
    told = candidate.metrics["out_of_time"].get("cut")
    return date.fromisoformat(told) if told else dataset.default_cut(sales)


def _judged(way: str, pair: Pair, sales: Sales, demographics: Demographics) -> Evidence:
    ours, theirs = (evaluate.judge(model, sales, demographics) for model in pair)
    prices = (sales.prices, ours.predicted, theirs.predicted)
    return Evidence(
        way,
        (_figures(ours), _figures(theirs)),
        sales.sha256,
        significance.paired(*prices),
        significance.chances(*prices),
    )


def _figures(judged: Judged) -> Figures:
    """Return the figures that a manifest's `out_of_time` has, too."""
    first, last = judged.sales.window
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "overall": judged.accuracy,
        "coverage": judged.coverage,
        "by_decile": evaluate.by_decile(judged),
        "by_zipcode": evaluate.by_zipcode(judged),
    }
