"""Train a successor of a champion on newer sales, by the champion's own recipe."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from housing_app.demographics import Demographics
from housing_app.training import compare, dataset, screening
from housing_app.training import train as fitting
from housing_app.training.dataset import Sales, SalesError
from housing_app.training.fit import recipe_asked
from housing_app.training.recipes import Recipe
from housing_app.training.train import CALIBRATION_DAYS, Trained
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.features import Homes
from housing_app.valuation.predictor import Predictor


@dataclass(frozen=True)
class Plan:
    """Say what is to be trained, and from which day on it is to be judged."""

    name: str
    recipe: Recipe
    cut: date


def plan(
    champion: Predictor, sales: Sales, kind: str | None, trees: int | None
) -> Plan:
    """Plan a training that can be judged fairly beside the champion, or refuse it.

    The candidate is judged on sales that the champion has not seen either: from the
    last two calendar months on, but never from before the champion's training ended.
    """
    made = champion.manifest
    unseen = int(compare.after([champion], sales).sum())
    ended = date.fromisoformat(made.training["to"])
    if unseen < compare.MIN_SALES:
        raise SalesError(
            f"{unseen} sales are later than {ended}, where the training of {made.id} "
            f"ends; {compare.MIN_SALES} are needed to judge a successor on"
        )
    recipe = recipe_asked(made)
    if kind and kind != recipe.kind:
        recipe = Recipe(kind, recipe.slot)
    if trees:
        recipe = replace(recipe, trees=trees)
    cut = max(dataset.default_cut(sales), ended + timedelta(days=1))
    dataset.check_cut(sales, cut, CALIBRATION_DAYS)
    name = made.name if recipe.kind == made.kind else f"{recipe.kind}-{recipe.slot}"
    return Plan(name, recipe, cut)


def made_already(
    planned: Plan, sales: Sales, manifests: Iterable[Manifest]
) -> Manifest | None:
    """Return the artifact that this very training has made before."""
    for manifest in manifests:
        trained = manifest.training
        if (
            manifest.name == planned.name
            and trained["sha256"] == sales.sha256
            and trained.get("recipe") == planned.recipe.to_json()
            and trained.get("screening") == screening.RULES
        ):
            return manifest
    return None


def train(
    planned: Plan,
    sales: Sales,
    demographics: Demographics,
    examples: Homes,
    version: int,
) -> Trained:
    """Train as planned; the manifest says by which rules the sales were screened."""
    made = fitting.train(
        planned.recipe,
        sales,
        demographics,
        examples,
        name=planned.name,
        version=version,
        cut=planned.cut,
    )
    trained = made.manifest.training | {"screening": screening.RULES}
    return made._replace(manifest=replace(made.manifest, training=trained))
