"""A drift report in words: tables for a terminal, a page with plots."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from html import escape

from housing_app.training import plots, report
from housing_app.training.drift import Report
from housing_app.training.drift_thresholds import (
    ALARM,
    FALSE_ALARMS,
    LEAST_HOMES,
    LEAST_OUTCOMES,
    THRESHOLDS,
    TOO_FEW,
    WARNING,
)
from housing_app.training.tables import Row, Table, percent

_DASH = "–"
_WORDS = {
    "unseen": "Zipcodes not learned from",
    "warnings": "Answers with a warning",
    "mdape": "MdAPE",
    "ppe10": "PPE10",
    "bias": "Bias",
    "coverage": "In 90 % range",
}
_WORST = (ALARM, WARNING, TOO_FEW)


def of_report(found: Report) -> list[Table]:
    """Return every table of a drift report."""
    return [_columns(found), _shares(found), *_codes(found)]


def _columns(found: Report) -> Table:
    """Return the fields, the zipcode and the price, one a row, the moved ones first."""
    rows: dict[str, dict[str, Report]] = {}
    for check in found["checks"]:
        if check["check"] in ("psi", "ks", "missing"):
            rows.setdefault(check["field"], {})[check["check"]] = check
    made = [(_worst(row.values()), name, row) for name, row in rows.items()]
    made.sort(key=lambda one: -_rank(one[0]))
    head = ("Field", "Verdict", "Homes", "PSI", "by chance", "KS", "p", "Unknown",
            "usually")  # fmt: skip
    title = "Homes and prices, beside training homes and their valuations"
    cells = [(name, level, *_of_column(row)) for level, name, row in made]
    return Table(title, head, cells, words=2, plot="distributions")


def _of_column(row: dict[str, Report]) -> Row:
    psi, ks, missing = (row.get(name, {}) for name in ("psi", "ks", "missing"))
    return (
        f"{ks['n']:,}" if ks else _DASH,
        _number(psi.get("value")),
        _number(psi.get("usual")),
        _number(ks.get("value")),
        _chance(ks),
        _percent(missing.get("value")),
        _percent(missing.get("usual")),
    )


def _shares(found: Report) -> Table:
    rows = []
    for check in found["checks"]:
        name = check["check"]
        if name not in _WORDS:
            continue
        sign = "+" if name == "bias" else ""
        ends = check["ends"]
        rows.append(
            (
                _WORDS[name],
                check["level"],
                f"{check['n']:,}",
                _percent(check["value"], sign),
                " to ".join(percent(end, sign) for end in ends) if ends else _DASH,
                _percent(check["usual"], sign),
                _chance(check),
            )
        )
    head = ("Measure", "Verdict", "n", "Now", "95 % interval", "Usually", "p")
    note = (
        f"Too few: a distribution or share needs {LEAST_HOMES} homes, accuracy "
        f"{LEAST_OUTCOMES} reported sales."
    )
    return Table("Answers and errors, beside the manifest's", head, rows, note, words=2)


def _codes(found: Report) -> Iterator[Table]:
    if found["warnings"]:
        rows = [(code, percent(share)) for code, share in found["warnings"].items()]
        rows.sort(key=lambda row: row[0])
        yield Table("Warnings", ("Code", "Homes with it"), rows)


def thresholds() -> Table:
    """Return the thresholds, as the documents have them."""
    rows = [
        (f"`{one.check}`", one.moved, one.why, f"{one.warning:g}", f"{one.alarm:g}")
        for one in THRESHOLDS.values()
    ]
    head = ("Check", "What moved", "Why", "Warning", "Alarm")
    return Table("Thresholds", head, rows, words=3)


# --- the whole ------------------------------------------------------------------------


def text(found: Report) -> str:
    """Return the report for a terminal."""
    parts = [_subject(found), *(table.text() for table in of_report(found))]
    return "\n\n".join([*parts, verdict(found)])


def html(found: Report) -> str:
    """Return the report as one page that needs no other file."""
    drawn = plots.of_drift(found)
    sections = "\n".join(
        f"<section>\n{table.html()}{report.image(drawn.get(table.plot))}\n</section>"
        for table in of_report(found)
    )
    banner = f'<p class="warning"><b>{escape(verdict(found))}</b></p>'
    title = f"{_model(found)}: drift"
    return report.page(title, _subject(found), banner, sections)


def verdict(found: Report) -> str:
    """Return the verdict in a line."""
    if found["verdict"] == TOO_FEW:
        return (
            f"too few: {found['homes']:,} homes, {LEAST_HOMES} needed to say anything"
        )
    made = [one for one in found["checks"] if one["level"] != TOO_FEW]
    loud = [one for one in made if one["level"] in (ALARM, WARNING)]
    loud.sort(key=lambda one: -_rank(one["level"]))
    names = ", ".join(f"{one['check']} {one['field']}".strip() for one in loud)
    if not loud:
        return f"quiet: none of {len(made)} checks"
    return f"{found['verdict']}: {len(loud)} of {len(made)} checks: {names}"


def _subject(found: Report) -> str:
    # The last day is one that was looked at, not the moment at which the next begins.
    first, last = found["from"], found["to"] - timedelta(microseconds=1)
    return (
        f"{_model(found)}, slot {found['slot']}: {found['homes']:,} homes in "
        f"{found['answers']:,} answers, {found['outcomes']:,} reported sales, "
        f"{first:%Y-%m-%d} to {last:%Y-%m-%d} (UTC). Without drift, at most "
        f"{100 * FALSE_ALARMS:g} report in 100 would warn."
    )


def _model(found: Report) -> str:
    return f"{found['model']}-{found['version']}"


def _worst(checks: Iterable[Report]) -> str:
    """Return the worst level of a row's checks."""
    return max((check["level"] for check in checks), key=_rank)


def _rank(level: str) -> int:
    return len(_WORST) - _WORST.index(level) if level in _WORST else 0


def _number(value: float | None) -> str:
    return _DASH if value is None else f"{value:.3f}"


def _percent(value: float | None, sign: str = "") -> str:
    return _DASH if value is None else percent(value, sign)


def _chance(check: Report) -> str:
    return f"{check['p']:.2g}" if check.get("value") is not None else _DASH
