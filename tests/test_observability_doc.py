"""docs/observability.md knows every log line, and no other."""

import ast
import re

from housing_app.config import ROOT
from housing_app.model_store import poll

DOCUMENT = (ROOT / "docs" / "observability.md").read_text("utf-8")
LEVELS = {"info", "warning", "error", "critical"}


def logged():
    """Return the events that the source logs, with their levels."""
    found = set()
    for path in [ROOT / "gunicorn.conf.py", *(ROOT / "housing_app").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(
                node.func, ast.Attribute
            ):
                continue
            owner = ast.unparse(node.func.value)
            if node.func.attr in LEVELS and re.fullmatch(
                r"(_housing_logs\.)?log", owner
            ):
                said = node.args[0]
                # The one event whose name is kept elsewhere.
                event = said.value if isinstance(said, ast.Constant) else poll.NAME
                found.add((event, node.func.attr))
    return found


def test_every_log_line_is_in_the_table_with_its_level():
    table = DOCUMENT.split("\n## Log lines\n")[1].split("\n## ")[0]
    rows = set(re.findall(r"^\| `(.+?)` \| (\w+) \|", table, re.M))
    assert len(rows) > 20
    assert rows == logged()


def test_the_shares_of_the_objective_are_those_of_the_alerts():
    rules = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text("utf-8")
    rows = re.findall(r"\| `(\w+)` \| ([\d.]+) % \(([\d.]+) ×\)", DOCUMENT)
    assert len(rows) == 2
    for alert, share, factor in rows:
        expression = rules.split(f"alert: {alert}\n")[1].split("for:")[0]
        assert expression.count(f"> {factor} * 0.001") == 2
        assert float(share) == round(float(factor) * 0.1, 2)
