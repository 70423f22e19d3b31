"""Plots of a report, as SVG: the same bytes from the same report."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from housing_app.training.dataset import SalesError
from housing_app.training.evaluate import Figures
from housing_app.valuation import intervals

_SETTINGS: Any = {
    "svg.hashsalt": "housing_app",  # names within the file do not change
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#d8dee4",
}
_BLUE, _ORANGE, _GREY = "#1f6feb", "#bc4c00", "#57606a"
_SHADES = ("#79b8ff", "#1f6feb", "#0a3069")  # levels, lowest first

Plot = tuple[str, str]  # SVG, and what it shows in words


def of_report(report: Figures) -> dict[str, Plot]:
    """Return the plots by name."""
    mpl = _matplotlib()
    deciles = [(str(row["decile"]), row) for row in report["by_decile"]]
    missing = sorted(report["by_missing"].items(), key=lambda pair: int(pair[0]))
    with mpl.rc_context(_SETTINGS):
        found: dict[str, Plot] = {}
        if "cells" in report:
            found["prices"] = (_prices(report["cells"]), "Valuation against price paid")
        found |= {
            "coverage": (_coverage(deciles, missing), "Share of prices in the ranges"),
            "deciles": (_errors(deciles, "Decile"), "Error by decile"),
            "months": (_errors([*report["by_month"].items()], "Month"), "By month"),
        }
        if report["by_zipcode"]:
            found["zipcodes"] = (_map(report), "Map of the median error by zipcode")
    return found


def of_drift(report: Figures) -> dict[str, Plot]:
    """Return the plots of a drift report by name; none where it saw too few homes."""
    mpl = _matplotlib()
    shown = report["distributions"]
    if not shown:
        return {}
    with mpl.rc_context(_SETTINGS):
        words = "Share of the homes in each bin, usually and now"
        return {"distributions": (_beside(shown), words)}


def _matplotlib() -> Any:
    try:
        # Deferred: 1 s to load, and only these plots need it (extra `report`).
        import matplotlib as mpl
    except ImportError:
        raise SalesError(
            "matplotlib is not installed: pip install matplotlib"
        ) from None
    return mpl


def _figure(width: float, height: float, panels: int = 1) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _prices(found: Figures) -> str:
    """Draw cells of sales; a cell stands for five or more."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogLocator

    figure, (axes,) = _figure(7, 5.5)
    cells = np.array(found["cells"], dtype=int).reshape(-1, 3)
    if len(cells):
        low, high = cells[:, :2].min(), cells[:, :2].max() + 1
        grid = np.full((high - low, high - low), np.nan)
        grid[cells[:, 1] - low, cells[:, 0] - low] = cells[:, 2]
        edges = 10.0 ** (found["step"] * np.arange(low, high + 1))
        norm = LogNorm(5, max(6, cells[:, 2].max()))
        drawn = axes.pcolormesh(edges, edges, grid, cmap="Blues", norm=norm)
        figure.colorbar(drawn, label="Sales in the cell (5 or more)", format="%d")
        axes.plot(edges[[0, -1]], edges[[0, -1]], color=_ORANGE, linewidth=1)
    hidden = f"{found['left_out']:,} sales in cells of fewer than five not shown"
    axes.set(xscale="log", yscale="log", ylabel="Valuation")
    axes.set_xlabel(f"Price paid ({hidden})")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(_dollars)
        axis.set_minor_formatter(lambda *_: "")
    return _svg(figure)


def _dollars(value: float, _: object = None) -> str:
    return f"${value / 1e6:g}M" if value >= 1e6 else f"${value / 1e3:g}k"


def _errors(groups: Sequence[tuple[str, Figures]], label: str) -> str:
    """Draw the median error as bars and the bias as points."""
    figure, (axes,) = _figure(7, 3.2)
    names = [name for name, _ in groups]
    sizes = [100 * figures["mdape"] for _, figures in groups]
    sides = [100 * figures["bias"] for _, figures in groups]
    axes.bar(names, sizes, color=_BLUE, width=0.6, label="MdAPE")
    axes.plot(names, sides, "o", color=_ORANGE, label="Bias")
    axes.axhline(0, color=_GREY, linewidth=1)
    axes.set(xlabel=label, ylabel="Percent of the price")
    axes.set_xlim(-0.6, max(len(names), 6) - 0.4)
    if len(names) > 12:
        axes.tick_params("x", rotation=90)
    _legend(figure, axes)
    return _svg(figure)


def _coverage(
    deciles: Sequence[tuple[str, Figures]], missing: Sequence[tuple[str, Figures]]
) -> str:
    """Draw the share of prices inside, beside the share that was promised."""
    figure, panels = _figure(7, 3.4, 2)
    for axes, groups, label in (
        (panels[0], deciles, "Decile of the valuation"),
        (panels[1], missing, "Fields unknown"),
    ):
        names = [name for name, _ in groups]
        for level, shade in zip(intervals.LEVELS, _SHADES, strict=True):
            inside = [100 * f["coverage"][str(level)]["achieved"] for _, f in groups]
            text = f"{100 * level:.0f} % range"
            axes.plot(names, inside, "o-", color=shade, label=text)
            axes.axhline(100 * level, color=shade, linewidth=1, linestyle="--")
        axes.set(xlabel=label, ylim=(0, 100))
    panels[0].set_ylabel("Percent of prices inside")
    _legend(figure, panels[0])
    return _svg(figure)


def _map(report: Figures) -> str:
    """Draw each zipcode's median error at the zipcode's middle."""
    figure, (axes,) = _figure(7, 6)
    found = [
        (*report["middles"][zipcode], 100 * figures["mdape"], zipcode)
        for zipcode, figures in report["by_zipcode"].items()
        if zipcode in report["middles"]
    ]
    if found:
        lat, long, error = np.array([row[:3] for row in found], dtype=float).T
        drawn = axes.scatter(long, lat, c=error, cmap="YlOrRd", s=90, edgecolor=_GREY)
        figure.colorbar(drawn, label="MdAPE, percent")
        for north, east, _, zipcode in found:
            axes.annotate(
                zipcode, (east, north), (0, 6), textcoords="offset points", size=6,
                ha="center",
            )  # fmt: skip
        axes.set_aspect(1 / np.cos(np.radians(lat.mean())))
    axes.set(xlabel="Longitude", ylabel="Latitude")
    return _svg(figure)


def _beside(shown: Figures) -> str:
    """Draw each column's bins, usual beside now; bins of few homes are left empty."""
    from matplotlib.figure import Figure

    across = 3
    down = -(-len(shown) // across)
    figure = Figure(figsize=(9, 2.2 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (name, found) in zip(panels, shown.items(), strict=False):
        places = np.arange(len(found["usual"]))
        for key, side, colour in (("usual", -0.2, _GREY), ("now", 0.2, _BLUE)):
            heights = [100 * (share or 0) for share in found[key]]
            axes.bar(places + side, heights, 0.4, color=colour, label=key)
        axes.set_title(name, fontsize=10)
        axes.set_xticks(places[:-1] + 0.5, [_tick(name, x) for x in found["edges"]])
        axes.tick_params("x", rotation=90, labelsize=7)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    figure.supylabel("Percent of the homes", fontsize=10)
    _legend(figure, panels[0])
    return _svg(figure)


def _tick(name: str, edge: float) -> str:
    return _dollars(round(float(np.exp(edge)), -3)) if name == "price" else f"{edge:g}"


def _legend(figure: Any, axes: Any) -> None:
    """Put the legend above the plot, where it hides nothing."""
    shown = axes.get_legend_handles_labels()
    figure.legend(*shown, loc="outside upper center", ncols=3, frameon=False)
