"""The goals for accuracy that were set before the work began, and what was reached."""

from collections.abc import Iterable

from doc_accuracy import LEVELS, Figures, champions, later, table

from housing_app.training.tables import MEASURES, percent

# measure, least, most; shares in percent.
GOALS = {
    "full": (
        ("mdape", None, 7.7),
        ("ppe10", 60, None),
        ("bias", -1, 1),
        ("cod", None, 11.5),
        ("prd", 0.98, 1.03),
        ("prb", -0.04, 0.04),
    ),
    "minimal": (("mdape", None, 10.5),),
}
SHARES = ("mdape", "ppe10", "bias")


def goals() -> str:
    """Return what was aimed at and what was reached, closely enough to tell."""
    rows = []
    for slot, wanted in GOALS.items():
        (manifest,) = (m for m in champions() if m.slot == slot)
        for key, least, most in wanted:
            value, unit = later(manifest)["overall"][key], ""
            form = ".2f" if key == "cod" else ".3f"
            if key in SHARES:
                value, unit, form = 100 * value, " %", ".2f"
            rows.append(
                (
                    f"`{manifest.id}`",
                    MEASURES[key],
                    aim(least, most, unit),
                    f"{value:{form}}{unit}".replace("-", "−"),
                    kept(value, least, most),
                )
            )
    return table(GOAL_HEAD, *rows, words=5)


GOAL_HEAD = ("Model", "Measure", "Goal", "Reached", "Met")


def aim(least: float | None, most: float | None, unit: str) -> str:
    if least is None:
        return f"at most {most}{unit}"
    if most is None:
        return f"at least {least}{unit}"
    return f"{least} to {most}{unit}".replace("-", "−")


def kept(value: float, least: float | None, most: float | None) -> str:
    low = least is None or value >= least
    return "yes" if low and (most is None or value <= most) else "no"


def range_goals() -> str:
    """Return how far coverage is off at worst, in points, and what was allowed."""
    rows = []
    for manifest in champions():
        found, name = later(manifest), f"`{manifest.id}`"
        groups = (
            ("all sales", 2, [("", found)]),
            ("a decile of the valuation", 5, labelled("decile", found["by_decile"])),
            ("a number of unknown fields", 5, found["by_missing"].items()),
        )
        for words, allowed, segments in groups:
            off, level, label, missed = worst(segments, allowed)
            unknown = " unknown" * label.isdigit()
            place = ", ".join(filter(None, [f"{level} range", label + unknown]))
            reached = f"{off:+.1f} at {place}; {missed} missed".replace("-", "−")
            met = kept(off, -allowed, allowed)
            goal = f"within {allowed} points"
            rows.append((name, f"Coverage, {words}", goal, reached, met))
        inside, zipcode = min(
            (f["coverage"][LEVELS[-1]]["achieved"], zipcode)
            for zipcode, f in found["by_zipcode"].items()
        )
        cells = ("at least 80 %", f"{percent(inside)} in {zipcode}")
        rows.append((name, ZIPCODES, *cells, kept(inside, 0.8, None)))
        if manifest.slot == "full":
            width = found["coverage"][LEVELS[-1]]["relative_width"]
            cells = ("at most 0.45", f"{width:.3f}", kept(width, None, 0.45))
            rows.append((name, "90 % range, median width", *cells))
    return table(GOAL_HEAD, *rows, words=5)


ZIPCODES = "90 % range, worst zipcode of 30 sales or more"


def labelled(name: str, rows: list[Figures]) -> list[tuple[str, Figures]]:
    return [(f"{name} {row[name]}", row) for row in rows]


def worst(
    segments: Iterable[tuple[str, Figures]], allowed: float
) -> tuple[float, str, str, str]:
    """Return the coverage furthest off its level, in points; the level; the segment.

    And how many of all levels and segments are off by more than allowed.
    """
    off = [
        (
            100 * (found["achieved"] - float(level)),
            f"the {100 * float(level):.0f} %",
            label,
        )
        for label, figures in segments
        for level, found in figures["coverage"].items()
    ]
    missed = sum(abs(row[0]) > allowed for row in off)
    return *max(off, key=lambda row: abs(row[0])), f"{missed} of {len(off)}"
