"""Draw what was measured, as SVG that is the same for the same figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent / "plots"


class Plot(NamedTuple):
    """Name a plot, say what it shows, and draw it on axes."""

    name: str
    alt: str
    draw: Callable[[Any, Any], None]


def _rates(axes: Any, figures: Any) -> None:
    for server in ("empty", "ours"):
        rows = [row for row in figures["closed"] if row["server"] == server]
        shown = [row["connections"] for row in rows], [row["rate"] for row in rows]
        axes.plot(*shown, marker="o", label=server)
    axes.set(xscale="log", xlabel="connections", ylabel="requests/s", ylim=0)
    axes.legend()


def _latencies(axes: Any, figures: Any) -> None:
    rows = [row for row in figures["closed"] if row["server"] == "ours"]
    for key in ("p50_ms", "p95_ms", "p99_ms"):
        at = [row["connections"] for row in rows]
        axes.plot(at, [row[key] for row in rows], marker="o", label=key[:3])
    axes.set(xscale="log", yscale="log", xlabel="connections", ylabel="ms")
    axes.legend()


def _peers(axes: Any, figures: Any) -> None:
    rows = [row for row in figures if row.get("rate") and row["kind"] != "lightgbm"]
    rows.sort(key=lambda row: row["rate"])
    axes.barh([row["name"] for row in rows], [row["rate"] for row in rows])
    axes.set(xlabel="requests/s")


def _records(axes: Any, figures: Any) -> None:
    rows = figures["records"]
    axes.plot([r["records"] for r in rows], [r["per_home"] for r in rows], marker="o")
    axes.set(
        xscale="log", yscale="log", xlabel="homes in a request", ylabel="µs a home"
    )


def _trees(axes: Any, figures: Any) -> None:
    rows = figures["trees"]
    axes.plot([r["trees"] for r in rows], [r["one_us"] for r in rows], marker="o")
    axes.set(xlabel="trees", ylabel="µs for one home", xlim=0, ylim=0)


_PLOTS: dict[str, list[Plot]] = {
    "load": [
        Plot("rates", "Requests per second by connections", _rates),
        Plot("latencies", "Latency by connections", _latencies),
    ],
    "peers": [Plot("peers", "Requests per second of each server", _peers)],
    "scale": [
        Plot("records", "Cost of a home by the homes of a request", _records),
        Plot("trees", "Cost of a forest by its trees", _trees),
    ],
}


def of(name: str) -> list[Plot]:
    """Return the plots of a measurement."""
    return _PLOTS.get(name, [])


def draw(name: str, figures: Any) -> None:
    """Draw the plots of a measurement."""
    # Deferred: the tests of the tables need no plots.
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "housing_app"
    from matplotlib import pyplot

    FOLDER.mkdir(exist_ok=True)
    for plot in of(name):
        figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
        plot.draw(axes, figures)
        path = FOLDER / f"{plot.name}.svg"
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)
