"""Write what was measured into README.md: `python benchmarks/report.py`.

Reads build/bench/*.json, which the other programs of this folder wrote; what was not
measured keeps no place. Plots go to benchmarks/plots.
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import plots
import results

README = Path(__file__).resolve().parent / "README.md"
BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"
Figures = Any


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table, numbers to the right."""
    lines = [[_cell(cell) for cell in row] for row in rows]
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else "–" if value is None else value


class Goal(NamedTuple):
    """Describe a goal: what of which files it is about, and when it is reached."""

    words: str
    wanted: str
    files: tuple[str, ...]
    measured: Callable[..., float]
    reached: Callable[[float], bool]


def _at(loops: Figures, server: str, connections: int = 8) -> dict[str, Any]:
    return next(
        row
        for row in loops
        if row["server"] == server and row["connections"] == connections
    )


def _ratio(load: Figures) -> float:
    loops = load["closed"]
    return float(_at(loops, "ours")["rate"] / _at(loops, "empty")["rate"])


def _open(load: Figures, share: float) -> dict[str, Any]:
    return next(row for row in load["open"] if row["share"] == share)


def _detail(load: Figures, kind: str) -> float:
    return float(next(x["homes_rate"] for x in load["details"] if x["kind"] == kind))


def _peer(peers: Figures, name: str = "") -> float:
    """Return our rate over that of a peer, or of the best one."""
    own = next(row["rate"] for row in peers if row["name"] == "housing_app")
    found = [row["rate"] for row in peers if row["kind"] and "rate" in row]
    if name:
        found = [x["rate"] for x in peers if x["name"] == name and x["kind"] == "knn"]
    return float(own / max(found))


def _growth(memory: Figures) -> float:
    """Return the MiB that a worker grew after the first ten thousand requests."""
    first, last = memory[1]["workers"], memory[-1]["workers"]
    pairs = zip(first, last, strict=True)
    return max(float(b["uss"] - a["uss"]) for a, b in pairs)


def _cores(load: Figures, value: float) -> float:
    return value / load["workers"]


def _bulk(bulk: Figures, way: str, other: str) -> float:
    return float(bulk["rates"][way] / bulk["rates"][other])


_LOAD, _PEERS, _MEMORY, _BULK = ("load",), ("peers",), ("memory",), ("bulk",)
GOALS = (
    Goal("one home, of the empty view's rate", "≥ 0.50", _LOAD, _ratio,
         lambda x: x >= 0.5),
    Goal("… of FastAPI + pandas + scikit-learn's", "≥ 8", _PEERS,
         lambda p: _peer(p, "FastAPI + pandas + scikit-learn"), lambda x: x >= 8),
    Goal("… of the best peer's", "≥ 3", _PEERS, _peer, lambda x: x >= 3),
    Goal("p99 ÷ p50 at half load, open loop", "≤ 3", _LOAD,
         lambda d: _open(d, 0.5)["p99_ms"] / _open(d, 0.5)["p50_ms"],
         lambda x: x <= 3),
    Goal("longest request at 80 % load, ms", "≤ 200", _LOAD,
         lambda d: _open(d, 0.8)["max_ms"], lambda x: x <= 200),
    Goal("homes/s of a core, 1,000 in a request", "≥ 15,000", _LOAD,
         lambda d: _cores(d, _detail(d, "1,000 homes")), lambda x: x >= 15_000),
    Goal("explained homes/s of a core", "≥ 150", _LOAD,
         lambda d: _cores(d, _detail(d, "explained")), lambda x: x >= 150),
    Goal("five comparables, of the plain rate", "≥ 0.7", _LOAD,
         lambda d: _detail(d, "5 comparables") / _at(d["closed"], "ours")["rate"],
         lambda x: x >= 0.7),
    Goal("bulk CSV, of the model's own batch rate", "≥ 0.7", _BULK,
         lambda b: _bulk(b, "csv, 1", "model"), lambda x: x >= 0.7),
    Goal("bulk Parquet, of the same", "≥ 0.7", _BULK,
         lambda b: _bulk(b, "parquet, 1", "model"), lambda x: x >= 0.7),
    Goal("bulk CSV, homes/s of a core", "≥ 15,000", _BULK,
         lambda b: b["rates"]["csv, 1"], lambda x: x >= 15_000),
    Goal("bulk CSV on two cores, of one", "≥ 1.8", _BULK,
         lambda b: _bulk(b, "csv, 2", "csv, 1"), lambda x: x >= 1.8),
    Goal("seconds from the start of the process to ready", "≤ 1.5", ("startup",),
         lambda s: s["warm"]["ready_s"], lambda x: x <= 1.5),
    Goal("MiB that a worker has to itself", "≤ 60", _MEMORY,
         lambda m: max(w["uss"] for w in m[-1]["workers"]), lambda x: x <= 60),
    Goal("MiB that it grew from the 10,000th request on", "0", _MEMORY, _growth,
         lambda x: x < 1),
)  # fmt: skip


def goals(found: dict[str, Figures]) -> str:
    """Return the table of goals of which the figures are there."""
    rows = []
    for goal in GOALS:
        if all(name in found for name in goal.files):
            value = goal.measured(*(found[name] for name in goal.files))
            verdict = "yes" if goal.reached(value) else "**no**"
            rows.append((goal.words, goal.wanted, float(value), verdict))
    return table(("Goal", "wanted", "measured", "reached"), rows)


def _rates(rows: Sequence[dict[str, Any]], name: str) -> list[list[Any]]:
    keys = ("rate", "p50_ms", "p95_ms", "p99_ms", "max_ms", "errors")
    return [[row[name], *(row.get(key) for key in keys)] for row in rows]


_TIMES = ("requests/s", "p50 ms", "p95 ms", "p99 ms", "longest ms", "errors")


def load(figures: Figures) -> str:
    """Return the tables of closed and open loops."""
    loops = [
        row | {"who": f"{row['server']}, {row['connections']}"}
        for row in figures["closed"]
    ]
    timed = [row | {"who": f"{row['share']:.0%}"} for row in figures["open"]]
    return "\n".join(
        (
            f"{figures['workers']} workers. Closed loop:\n",
            table(("Server, connections", *_TIMES), _rates(loops, "who")),
            "Eight connections:\n",
            table(
                ("Request", "homes/s", *_TIMES),
                [
                    [row["kind"], row["homes_rate"], *_rates([row], "kind")[0][1:]]
                    for row in figures["details"]
                ],
            ),
            "Open loop, at shares of the closed loop's best rate:\n",
            table(("Load", *_TIMES), _rates(timed, "who")),
        )
    )


def micro(figures: Figures) -> str:
    """Return the table of steps."""
    by_step: dict[str, dict[int, dict[str, Any]]] = {}
    for row in figures:
        by_step.setdefault(row["step"], {})[row["homes"]] = row
    rows = [
        (step, of[1]["us"], of[1]["loads"], of[1_000]["us"] / 1_000)
        for step, of in by_step.items()
    ]
    return table(("Step", "µs", "× json.loads", "µs a home, of 1,000"), rows)


def peers(figures: Figures) -> str:
    """Return the table of peers, those that failed with the reason."""
    own = next(row["rate"] for row in figures if row["name"] == "housing_app")
    rows = []
    for row in figures:
        made_of = [f"{k} {v}" for k, v in row.get("versions", {}).items()]
        if "failed" in row:
            rest = [None] * 4 + [row["failed"], ", ".join(made_of)]
        else:
            rest = [row["rate"], own / row["rate"], row["p50_ms"], row["p99_ms"]]
            rest += [row["errors"], ", ".join(made_of)]
        rows.append([row["name"], row["kind"] or None, *rest])
    head = ("Server", "model", "requests/s", "ours is × as fast", "p50 ms", "p99 ms")
    return table((*head, "errors", "versions"), rows)


def startup(figures: Figures) -> str:
    """Return the table of starts."""
    warm = figures["warm"]
    rows = [("as usual (median)", warm["ready_s"]), ("… least", warm["ready_least_s"])]
    if "cold" in figures:
        rows.insert(0, ("cold: nothing compiled or cached", figures["cold"]["ready_s"]))
    rows.append(("a new worker of a running master", warm["new_worker_s"]))
    return table(("From process start to ready", "s"), rows)


def memory(figures: Figures) -> str:
    """Return the table of memory, the largest worker's."""
    keys = ("uss", "pss", "rss")
    rows = [
        [row["requests"], *(max(w[key] for w in row["workers"]) for key in keys)]
        for row in figures
    ]
    return table(("Requests", "USS MiB", "PSS MiB", "RSS MiB"), rows)


def scale(figures: Figures) -> str:
    """Return the tables of growth."""
    shown = {name: figures[name] for name in ("records", "trees", "zipcodes")}
    parts = [table(tuple(rows[0]), [list(r.values()) for r in rows]) for rows in
             shown.values()]  # fmt: skip
    parts.append(table(("Workers", *_TIMES), _rates(figures["workers"], "workers")))
    return "\n".join(parts)


_WAYS = {
    "model": "the model's own batch prediction, of one core",
    "trees": "… its trees alone, columns ready",
    "posted": "posted to a server, 1,000 homes a request",
    "script": "pandas + scikit-learn, nearest neighbours",
}


def bulk(figures: Figures) -> str:
    """Return the table of ways to value a file."""
    rates = figures["rates"]
    rows = []
    for way, rate in rates.items():
        kind, _, workers = way.partition(", ")
        told = f"`flask score`, {kind}, workers: {workers}" if workers else _WAYS[way]
        rows.append((told, rate, rate / rates["model"]))
    head = ("Way", "homes/s", "of the model's own")
    about = (
        f"{figures['homes']:,} homes ({figures['few']:,} posted, and of the script), "
        f"machine load {figures['load'][0]}.\n"
    )
    spent = figures["cpu_us"]
    steps = [
        (_WAYS.get(way, f"a worker, {way} to {way}"), us, spent["model"] / us)
        for way, us in spent.items()
    ]
    head_of_steps = ("Processor time, one thread", "µs a home", head[-1])
    return f"{about}\n{table(head, rows)}\n{table(head_of_steps, steps)}"


SECTIONS = {
    "load": ("Over HTTP", load),
    "peers": ("Peers", peers),
    "micro": ("Where the time goes", micro),
    "bulk": ("Ways to value a file", bulk),
    "startup": ("Start", startup),
    "memory": ("Memory", memory),
    "scale": ("Growth", scale),
}


def _heading(about: dict[str, Any]) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items())
    return (
        f"`{about['command']}`, {about['date']}, commit `{about['commit']}`, "
        f"{about['cores']} cores, Python {about['python']}, {versions}.\n"
    )


def rendered(stored: dict[str, dict[str, Any]]) -> str:
    """Return all sections of which there are figures."""
    found = {name: one["figures"] for name, one in stored.items()}
    parts = [goals(found)]
    for name, (title, render) in SECTIONS.items():
        if name in stored:
            parts += [f"## {title}\n", _heading(stored[name]["about"])]
            parts.append(render(found[name]))
            parts += [f"![{x.alt}](plots/{x.name}.svg)\n" for x in plots.of(name)]
    return "\n".join(parts)


def main() -> None:
    """Put the tables between the marks, and draw."""
    stored = {
        name: json.loads((results.BUILD / f"{name}.json").read_text())
        for name in SECTIONS
        if (results.BUILD / f"{name}.json").exists()
    }
    if not stored:
        sys.exit("nothing was measured yet: make bench")
    for name, one in stored.items():
        plots.draw(name, one["figures"])
    text = README.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    README.write_text(f"{before}{BEGIN}\n{rendered(stored)}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
