"""docs/security.md names a test for every risk, and every one it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in (ROOT / "docs" / "security.md").read_text("utf-8").splitlines()
    if re.match(r"\| API\d", line)
]
NAMED = sorted({name for row in ROWS for name in re.findall(r"`(tests/.*?)`", row[3])})


def functions(path):
    tree = ast.parse(path.read_text("utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_risk_of_2023_has_a_control_and_a_test():
    assert [row[0].split()[0] for row in ROWS] == [f"API{n}" for n in range(1, 11)]
    for risk, here, control, tests in ROWS:
        assert here, risk
        assert control, risk
        assert re.search(r"`tests/", tests), risk


@pytest.mark.parametrize("name", NAMED)
def test_every_test_that_is_named_exists(name):
    path, _, function = name.partition("::")
    assert (ROOT / path).is_file()
    found = functions(ROOT / path)
    assert found
    assert not function or function in found
