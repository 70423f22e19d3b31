"""What operators are told to do can be done: commands, names, files, headers, lines."""

import re
import xml.etree.ElementTree as ET

import click
import pytest
import yaml

from housing_app.config import ROOT
from housing_app.site import assets

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
CAPACITY = (ROOT / "docs" / "capacity.md").read_text("utf-8")


def code(text):
    """Yield what stands in code spans, and each line of code blocks."""
    parts = re.split(r"^```.*$", text, flags=re.M)
    for block in parts[1::2]:
        yield from block.replace("\\\n", " ").splitlines()
    for prose in parts[::2]:
        yield from re.findall(r"`([^`]+)`", " ".join(prose.split()))


def asked(text):
    """Yield the words of every flask command that is named, without `flask`."""
    for line in code(text):
        for found in re.findall(r"(?:^|[$&-] |=\S+ |bin/)flask ([a-z][^|;&#]*)", line):
            yield found.split()


def wrong(words, group):
    """Return what of a command does not exist, or nothing."""
    while words and isinstance(group, click.Group):
        name, *words = words
        if name not in group.commands:
            return "" if not re.fullmatch(r"[a-z-]+", name) else f"no command {name}"
        group = group.commands[name]
    known = {"--help"} | {o for p in group.params for o in (*p.opts, *p.secondary_opts)}
    given = set(re.findall(r"(?<!\S)--[a-z][a-z-]*", " ".join(words)))
    unknown = sorted(given - known)
    return f"{group.name} has no {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_flask_command_in_a_document_exists_with_its_options(path, app):
    found = [
        f"flask {' '.join(words)}: {why}"
        for words in asked(path.read_text("utf-8"))
        if (why := wrong(words, app.cli))
    ]
    assert found == []


def test_commands_are_found_in_the_operations_document():
    named = {" ".join(words[:2]) for words in asked(OPERATIONS)}
    assert {"journal drain", "backup restore", "db status", "model history"} <= named


def deployed():
    """Return the kinds and names of what deploy/kubernetes makes, colours included."""
    found = set()
    for path in (ROOT / "deploy" / "kubernetes").rglob("*.yaml"):
        for one in yaml.safe_load_all(path.read_text("utf-8")):
            if isinstance(one, dict) and "metadata" in one:
                kind, name = one["kind"].lower(), one["metadata"]["name"]
                found.add(f"{kind}/{name}")
                found |= {f"{kind}/{name}-{c}" for c in ("blue", "green", "canary")}
    return found


def test_every_deployment_and_autoscaler_that_runbooks_name_exists():
    short = {"deploy": "deployment", "hpa": "horizontalpodautoscaler"}
    named = re.findall(r"\b(deploy|deployment|hpa)[/ ]([a-z]+(?:-[a-z]+)+)", OPERATIONS)
    assert len(named) > 3
    assert {f"{short.get(kind, kind)}/{name}" for kind, name in named} <= deployed()


def test_runbooks_name_no_script_that_is_not_there():
    for name in re.findall(r"`([a-z_]+\.(?:py|sh))", OPERATIONS):
        assert list((ROOT / "deploy").rglob(name)), name


def test_the_diagram_has_each_line_of_the_table_once():
    root = ET.parse(ROOT / "docs" / "images" / "installation.svg").getroot()
    drawn = [x.text for x in root.iter() if x.get("class") == "number"]
    table = ARCHITECTURE.split("\n## An installation\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \|", table, re.M)
    assert len(rows) > 10
    assert sorted(drawn, key=int) == rows


def kept():
    """Yield the paths in the table of what may be kept, and the header of each."""
    found = re.findall(r"^\| (`/[^|]*) \| `([a-z0-9=, -]+)` \|", CAPACITY, re.M)
    for paths, header in found:
        for path in re.findall(r"`([^`]+)`", paths):
            yield path.replace("VERSION", assets.version()), header


def test_the_table_of_what_may_be_kept_has_the_headers_that_are_sent(client):
    rows = list(kept())
    assert len(rows) > 11
    for path, wanted in rows:
        sent = client.get(path).headers
        assert (path, sent["Cache-Control"]) == (path, wanted)
        assert ("ETag" in sent) == path.startswith("/static/")


def test_every_public_page_is_in_that_table(app):
    adapter = app.url_map.bind("")
    rules = {str(adapter.match(path, return_rule=True)[0]) for path, _ in kept()}
    wanted = {rule.rule for rule in app.url_map.iter_rules() if "GET" in rule.methods}
    # Probes and single problems have what their like has.
    assert wanted - rules == {"/health/live", "/health/startup", "/problems/<name>"}
