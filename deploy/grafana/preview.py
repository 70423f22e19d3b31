"""Draw a dashboard as SVG, from what a Prometheus holds: a likeness without a Grafana.

`python deploy/grafana/preview.py --minutes 30 --output docs/images/dashboard.svg`. It
knows the kinds of panels that ours has, and draws each at its place with its own
expressions; fonts, colours and hover are Grafana's.
"""

import argparse
import json
import math
import re
import sys
import time
import urllib.parse
import urllib.request
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
COLUMN, LINE, GAP = 62, 34, 8
POINTS = 180
COLOURS = (
    *("#3274d9", "#e0752d", "#56a64b", "#a352cc", "#e02f44", "#1f9e9e", "#b5860b"),
    *("#8f3bb8", "#5794f2", "#ff9830"),
)
STEPS = {"green": "#37872d", "orange": "#e0752d", "red": "#c4162a"}
Series = tuple[str, list[tuple[float, float]]]


def text(x: float, y: float, said: str, size: int = 12, **more: str) -> str:
    """Return a line of text."""
    style = "".join(
        f' {name.replace("_", "-")}="{value}"' for name, value in more.items()
    )
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{style}>{escape(said)}</text>'
    )


def shown(value: float, unit: str) -> str:
    """Return a figure in its unit, to three places."""
    if math.isnan(value):
        return "–"
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    scale, names = {
        "s": (1000.0, ("µs", "ms", "s")),
        "bytes": (1000.0, ("B", "kB", "MB", "GB")),
    }.get(unit, (0.0, ("/s",) if unit in {"reqps", "cps"} else ("",)))
    value *= 1e6 if unit == "s" else 1
    while scale and abs(value) >= scale and len(names) > 1:
        value, names = value / scale, names[1:]
    return f"{value:.3g} {names[0]}".replace(" /s", "/s").strip()


class Source:
    """A Prometheus, asked as a panel would ask it."""

    def __init__(self, url: str, minutes: float) -> None:
        self.url = url.rstrip("/")
        self.end = time.time()
        self.start = self.end - 60 * minutes
        self.step = max(1.0, (self.end - self.start) / POINTS)

    def ask(self, path: str, expression: str, **more: float) -> list[dict[str, Any]]:
        """Return the result of a query, as the API has it."""
        expression = expression.replace("$__rate_interval", "1m")
        asked = {"query": expression.replace("$instance", ".*")} | more
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(asked)}"
        if not url.startswith(("http://", "https://")):
            sys.exit(f"--prometheus: {self.url} is no http address")
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  # nosec B310
            return json.load(answer)["data"]["result"]

    def lines(self, target: dict[str, Any]) -> list[Series]:
        """Return each series of a target over the time shown, with its name."""
        over = {"start": self.start, "end": self.end, "step": self.step}
        found = self.ask("query_range", target["expr"], **over)
        return [
            (
                legend(target["legendFormat"], one["metric"]),
                [(at, float(value)) for at, value in one["values"]],
            )
            for one in found
        ]

    def now(self, target: dict[str, Any]) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series of a target at the end."""
        found = self.ask("query", target["expr"], time=self.end)
        return [(one["metric"], float(one["value"][1])) for one in found]


def legend(form: str, labels: dict[str, str]) -> str:
    """Return the name of a series by its labels."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), form)


def stat(panel: dict[str, Any], source: Source, w: float, h: float) -> str:
    """Draw one figure, in the colour of its threshold."""
    found = source.now(panel["targets"][0])
    value = found[0][1] if found else math.nan
    defaults = panel["fieldConfig"]["defaults"]
    colour = STEPS["green"]
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = STEPS[step["color"]]
    said = shown(value, defaults["unit"])
    return text(w / 2, h / 2 + 22, said, 30, fill=colour, text_anchor="middle")


def table(panel: dict[str, Any], source: Source, w: float, _: float) -> str:
    """Draw the labels and values of now."""
    order = panel["transformations"][0]["options"]["indexByName"]
    columns = sorted(order, key=order.get)
    rows = [
        [labels.get(name, f"{value:g}") for name in columns]
        for labels, value in source.now(panel["targets"][0])
    ]
    rows = [columns, *sorted(rows)[:9]]
    longest = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    drawn = []
    for y, row in enumerate(rows):
        x = 10.0
        for cell, wide in zip(row, longest, strict=True):
            weight = "normal" if y else "bold"
            drawn.append(text(x, 44 + 18 * y, cell, 11, font_weight=weight))
            x += (w - 20) * wide / sum(longest)
    return "".join(drawn)


def stacked(series: list[Series]) -> list[Series]:
    """Return each series on top of those before it."""
    total: dict[float, float] = {}
    found = []
    for name, points in series:
        for at, value in points:
            total[at] = total.get(at, 0.0) + (0.0 if math.isnan(value) else value)
        found.append((name, [(at, total[at]) for at, _ in points]))
    return found


def graph(panel: dict[str, Any], source: Source, w: float, h: float) -> str:
    """Draw lines over time, with axes and names."""
    defaults = panel["fieldConfig"]["defaults"]
    series = [one for target in panel["targets"] for one in source.lines(target)]
    if not any(not math.isnan(value) for _, points in series for _, value in points):
        return text(w / 2, h / 2, "No data", fill="#8e8e8e", text_anchor="middle")
    if "stacking" in defaults["custom"]:
        series = stacked(series)
    values = [v for _, points in series for _, v in points if not math.isnan(v)]
    low = min([*values, defaults.get("min", 0.0)])
    high = max([*values, defaults.get("max", low)])
    high = high if high > low else low + 1
    left, top, right, bottom = 62.0, 34.0, w - 10, h - 44

    def place(at: float, value: float) -> str:
        x = left + (right - left) * (at - source.start) / (source.end - source.start)
        return f"{x:.1f},{bottom - (bottom - top) * (value - low) / (high - low):.1f}"

    drawn = []
    for part in range(4):
        value = low + (high - low) * part / 3
        y = bottom - (bottom - top) * part / 3
        drawn.append(f'<path d="M{left},{y:.1f}H{right}" stroke="#e3e3e3"/>')
        drawn.append(
            text(left - 6, y + 4, shown(value, defaults["unit"]), 10, text_anchor="end")
        )
    for part in range(3):
        at = source.start + (source.end - source.start) * (part + 0.5) / 3
        x = left + (right - left) * (part + 0.5) / 3
        clock = time.strftime("%H:%M", time.gmtime(at))
        drawn.append(text(x, bottom + 14, clock, 10, text_anchor="middle"))
    x = left
    for number, (name, points) in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(place(at, v) for at, v in points if not math.isnan(v))
        drawn.append(
            f'<polyline points="{path}" fill="none" '
            f'stroke="{colour}" stroke-width="1.6"/>'
        )
        if x + 6 * len(name) < w:
            drawn.append(
                f'<path d="M{x:.0f},{h - 14}h12" stroke="{colour}" stroke-width="3"/>'
            )
            drawn.append(text(x + 16, h - 10, name, 10))
        x += 30 + 5.6 * len(name)
    return "".join(drawn)


KINDS = {"stat": stat, "table": table, "timeseries": graph}


def draw(dashboard: dict[str, Any], source: Source) -> str:
    """Return the whole dashboard as SVG."""
    height, drawn = 0.0, []
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        x, y = place["x"] * COLUMN + GAP, place["y"] * LINE + GAP
        w, h = place["w"] * COLUMN - GAP, place["h"] * LINE - GAP
        height = max(height, y + h + GAP)
        drawn.append(f'<g transform="translate({x},{y})">')
        if panel["type"] == "row":
            drawn.append(text(4, 20, panel["title"], 16, font_weight="bold"))
        else:
            drawn.append(
                f'<rect width="{w}" height="{h}" rx="3" fill="#fff" stroke="#d5d5d5"/>'
            )
            drawn.append(text(10, 20, panel["title"], 13, font_weight="bold"))
            drawn.append(KINDS[panel["type"]](panel, source, w, h))
        drawn.append("</g>\n")
    width = 24 * COLUMN + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" '
        f'font-family="sans-serif" fill="#24292e">\n'
        f'<rect width="{width}" height="{height:.0f}" fill="#f4f5f5"/>\n'
        f"{''.join(drawn)}</svg>\n"
    )


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090")
    parser.add_argument(
        "--dashboard", type=Path, default=HERE / "dashboards" / "housing_app.json"
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    dashboard = json.loads(arguments.dashboard.read_text("utf-8"))
    source = Source(arguments.prometheus, arguments.minutes)
    arguments.output.write_text(draw(dashboard, source), "utf-8")


if __name__ == "__main__":
    main()
