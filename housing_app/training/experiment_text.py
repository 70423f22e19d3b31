"""The figures of experiments and shadows as text."""

from collections.abc import Mapping
from typing import Any

from housing_app.training import disagreement
from housing_app.training.experiment import ARMS
from housing_app.training.tables import Table, number, percent

_DASH = "–"
Figures = dict[str, Any]


def _points(value: float) -> str:
    return f"{100 * value:+.2f}".replace("-", "−")


def report(found: Figures) -> str:
    """Return an experiment's figures for a terminal, the verdict last."""
    parts = [_arms(found), _ratio(found["ratio"])]
    if fixed := found["fixed"]:
        parts.append(
            "Challenger less champion, MdAPE: "
            + _fixed(fixed)
            + f", Mann-Whitney p = {fixed['mann_whitney']:.2g}), for one look alone."
        )
    if found["sequence"]:
        parts.append("Mean error: " + _sequence(found["sequence"], found["alpha"]))
    if paired := found["paired"]:
        parts.append(_paired(paired, found["alpha"]))
    return "\n".join([*parts, f"\n{found['verdict']['text']}."])


def _arms(found: Figures) -> str:
    models = found["experiment"].split("/")
    both = [found["arms"][arm] for arm in ARMS]
    counts = {
        "Homes valued": "answers",
        "by the fallback": "fallbacks",
        "Outcomes": "outcomes",
        "Clients they are of": "clients_with_outcomes",
    }
    rows = [("Model", *models)]
    rows += [(name, *(f"{x[key]:,}" for x in both)) for name, key in counts.items()]
    figures = {"mdape": "MdAPE", "ppe10": "PPE10", "bias": "Bias"}
    for key, name in figures.items():
        cells = (number(key, x[key]) if key in x else _DASH for x in both)
        rows.append((name, *cells))
    means = (number("mdape", x["mean_error"]) if key in x else _DASH for x in both)
    rows.append(("Mean error, cut at 100 %", *means))
    title = f"{found['slot']}: {found['experiment']}"
    return Table(title, ("", *ARMS), rows).text()


def _ratio(ratio: Figures) -> str:
    champion, challenger = ratio["clients"]
    text = f"Known clients: {champion:,} and {challenger:,}"
    if ratio["moved"]:
        text += f", {ratio['moved']:,} of them were in both arms"
    if ratio["p"] is None:
        return f"{text}; not held against the share: {ratio['unchecked']}."
    share = f"a share of {100 * ratio['share']:g} %"
    return f"{text}, for {share} (chi-square p = {ratio['p']:.2g})."


def _fixed(fixed: Mapping[str, Any]) -> str:
    ends = f"{_points(fixed['low'])} to {_points(fixed['high'])}"
    return f"{_points(fixed['difference'])} points (95 % interval {ends}"


def _sequence(sequence: Mapping[str, Any], alpha: float) -> str:
    ends = f"{_points(sequence['low'])} to {_points(sequence['high'])}"
    return (
        f"{_points(sequence['difference'])} points ({ends}, at every look with "
        f"{100 * (1 - alpha):g} % confidence)."
    )


def _paired(paired: Figures, alpha: float) -> str:
    fixed = paired["fixed"]
    lines = [
        f"\nOn the same {fixed['n']:,} homes, the challenger looking on:",
        f"MdAPE: {_fixed(fixed)}, Wilcoxon p = {fixed['wilcoxon']:.2g}), for one look "
        "alone.",
    ]
    if paired["sequence"]:
        lines.append("Mean error: " + _sequence(paired["sequence"], alpha))
    return "\n".join([*lines, f"{paired['verdict']['text']}."])


def apart(found: Figures) -> str:
    """Return how far a shadow is from what was answered, for a terminal."""

    def cells(group: Figures) -> tuple[str, ...]:
        if "beyond" not in group:
            return (_DASH,) * (len(disagreement.QUANTILES) + len(disagreement.BEYOND))
        return (
            *(
                f"{round(value, 3) or 0.0:+.3f}".replace("-", "−")
                for value in group["log_ratio"].values()
            ),
            *(percent(value) for value in group["beyond"].values()),
        )

    head = (
        *("Homes", "n"),
        *(f"q{100 * q:02.0f}" for q in disagreement.QUANTILES),
        *(f"> {100 * x:.0f} %" for x in disagreement.BEYOND),
    )
    rows = [
        (name, f"{group['n']:,}", *cells(group))
        for name, group in found["disagreement"].items()
    ]
    title = (
        f"{found['slot']}: {found['shadow']} beside {found['model']}; quantiles of the "
        "log ratio of their prices, share of homes further apart"
    )
    return Table(title, head, rows).text()
