"""The documents say what the code does, and leave nothing out."""

import ast
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from housing_app import errors
from housing_app.config import ROOT
from housing_app.training import census, locations, train
from housing_app.v1 import schemas
from housing_app.valuation import artifacts, doubts, intervals, predictor

sys.path.insert(0, str(Path(__file__).parent))  # whatever pytest's import mode

import write_docs
from doc_accuracy import champions, manifests, reference, retired, shipped
from doc_tables import read

HAND_WRITTEN = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("data/*.md"), *ROOT.glob("docs/**/*.md")]
)


def section(document: str, heading: str, level: str = "##") -> str:
    text = read(document).split(f"\n{level} {heading}\n")[1]
    return re.split(rf"\n#{{2,{len(level)}}} ", text)[0]


def prose(document: str) -> str:
    return " ".join(read(document).split())


def members(document: str, heading: str) -> set[str]:
    """Return the names in the first column of a section's tables."""
    rows = re.findall(r"^\| (`.*?`) \|", section(document, heading, "###"), re.M)
    return set(re.findall(r"`(\w+)`", " ".join(rows)))


# --- what is generated is up to date --------------------------------------------------


@pytest.mark.parametrize("document", write_docs.DOCUMENTS)
@pytest.mark.usefixtures("app")  # for its models
def test_tables_figures_and_printed_answers_are_what_the_code_gives(document):
    wanted = write_docs.renewed(document, write_docs.new_app())
    assert read(document) == wanted, "run `python tests/write_docs.py`"


def test_readme_shows_the_curl_that_make_run_prints(monkeypatch, capsys):
    for name in ("PORT", "BIND"):
        monkeypatch.delenv(name, raising=False)
    runpy.run_path(str(ROOT / "gunicorn.conf.py"))["when_ready"](None)
    (curl,) = re.findall(r"curl .*", capsys.readouterr().out)
    assert f"$ {curl}\n" in read("README.md")


def test_the_reference_figures_are_what_the_script_prints(
    sales_csv, reference_demographics_csv, reference_columns_json
):
    judge = runpy.run_path(str(ROOT / "benchmarks" / "reference_knn.py"))["judge"]
    columns = json.loads(reference_columns_json.read_text())
    stored = reference()
    found = judge(sales_csv, reference_demographics_csv, columns, stored["cut"])
    assert found["overall"] == pytest.approx(stored["overall"], abs=0.002)
    assert found["sales_sha256"] == stored["sales_sha256"]


def test_reference_and_models_are_judged_on_the_same_sales():
    stored = reference()
    keys = ("cut", "train_rows", "from", "to")
    for _, manifest in shipped():
        later = manifest.metrics["out_of_time"]
        assert {k: later[k] for k in keys} == {k: stored[k] for k in keys}
        assert later["overall"]["n"] == stored["overall"]["n"]
        assert manifest.training["sha256"] == stored["sales_sha256"]


def test_counts_in_the_text_are_those_of_the_models():
    champion = manifests()[0]
    later = champion.metrics["out_of_time"]
    readme, accuracy = read("README.md"), read("docs/accuracy.md")
    assert f"Judged on {later['overall']['n']:,} sales" in readme
    assert f"know {len(champion.zipcodes)} zipcodes" in readme
    for count in (later["train_rows"], later["overall"]["n"]):
        assert f"{count:,}" in accuracy
    assert f"all {champion.training['rows']:,} sales" in accuracy


def test_errors_and_misses_in_the_text_are_those_of_the_champion():
    later = champions()[0].metrics["out_of_time"]
    ends, figures = later["bootstrap"], later["overall"]
    bias = f"{100 * figures['bias']:.2f} %".replace("-", "−")
    error, share, cod = (
        (ends[key][1] - ends[key][0]) / 3.92 for key in ("mdape", "ppe10", "cod")
    )
    assert (
        f"moves a median error by {100 * error:.1f} points, a share by "
        f"{100 * share:.1f} and a COD by {cod:.1f} (one standard error)"
    ) in prose("README.md")
    assert (
        f"{100 * error:.1f} points of the median error, {100 * share:.1f} points of "
        f"PPE10, {cod:.1f} of COD"
    ) in prose("docs/accuracy.md")
    assert (
        f"COD {figures['cod']:.1f} for 11.5, {100 * figures['ppe10']:.1f} % within "
        f"10 % for 60 %, a bias of {bias} for 1 % either way"
    ) in prose("README.md")


def test_numbers_of_the_recipe_in_the_text_are_those_of_the_models():
    architecture, accuracy = prose("docs/architecture.md"), prose("docs/accuracy.md")
    grades = ", ".join(f"`{k}` up to {v:.2f}" for k, v in intervals.GRADES[:-1])
    for document in ("README.md", "docs/accuracy.md"):
        assert grades in prose(document)
    for manifest in champions():
        made = manifest.model
        assert f"forests** of {made['trees']:,} trees" in architecture
        up, down = (100 * made["stretch"][end] for end in ("above", "below"))
        assert f"{up:.0f} % (above) and {down:.0f} % (below)" in architecture
        assert f"Beyond {made['stretch']['beyond']} in log price" in architecture
        assert f"{len(manifest.demographics)} figures of its people" in architecture
        starts = [group["missing"] for group in manifest.interval]
        assert starts == [0, 1, 2, 6][: len(starts)]
        assert abs(made["index"]["level"]) == train._MAX_LEVEL
    assert f"multiplied by {predictor._UNLIKE_SPREAD} once more" in accuracy
    assert f"{100 * train._MAX_LEVEL:.2f} % either way" in accuracy
    assert f"from the {train.CALIBRATION_DAYS} days before the cut" in accuracy


def test_the_prior_in_the_decision_is_the_one_in_the_code():
    (trend, june), (doubt, other) = (
        100 * locations._INDEX_PRIOR,
        100 * locations._INDEX_DOUBT,
    )
    assert (
        f"{trend:.2f} % a month, give or take {doubt:.2f}, and {june:.1f} % in mid "
        f"June above the year's mean, give or take {other:.1f}"
    ) in prose("docs/decisions/007-a-prior-for-trend-and-season.md")


def test_figures_of_the_previous_champions_are_those_of_their_manifests():
    for name, figures in retired().items():
        place = f"a10a406:model/{name}/manifest.json"
        found = subprocess.run(
            ["git", "show", place], cwd=ROOT, capture_output=True, check=False
        )
        if found.returncode:
            pytest.skip("the commit they were served from is not here")
        later = json.loads(found.stdout)["metrics"]["out_of_time"]
        assert later["overall"] == figures
        assert {k: later[k] for k in ("cut", "train_rows", "from", "to")} == {
            k: reference()[k] for k in ("cut", "train_rows", "from", "to")
        }


# --- nothing is left out --------------------------------------------------------------


def commands(group: click.Group, path: str = "flask") -> list[str]:
    """Return our commands; Flask's own are documented by Flask."""
    found = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, f"{path} {name}")
        elif command.callback.__module__.startswith("housing_app"):
            found.append(f"{path} {name}")
    return found


def test_every_command_is_in_the_readme(app):
    documented = re.findall(r"^\| `(flask [a-z ]*[a-z])", read("README.md"), re.M)
    assert sorted(documented) == sorted(commands(app.cli))


def test_every_route_is_in_the_api_document(app):
    rules = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    documented = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", read("docs/api.md"), re.M)
    assert set(documented) == rules


def test_every_problem_is_in_the_api_document():
    rows = re.findall(
        r"^\| `/problems/([a-z-]+)` \| (\d+) \| (.*?) \|", read("docs/api.md"), re.M
    )
    assert rows == [(k, str(v.status), v.title) for k, v in errors.PROBLEMS.items()]


def warning_codes() -> set[str]:
    """Return the codes that the source hands to `warn` or puts under "code"."""
    found: set[Any] = set()
    for path in (ROOT / "housing_app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "warn":
                found.add(getattr(node.args[1], "value", None))
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if getattr(key, "value", None) == "code":
                        found.add(getattr(value, "value", None))
    return found - {None}


def test_every_warning_is_in_the_api_document():
    rows = re.findall(r"^\| `([a-z-]+)` \|", section("docs/api.md", "Warnings"), re.M)
    assert len(warning_codes()) > 5
    assert set(rows) == warning_codes()


def test_grave_warnings_are_named_as_such():
    text = section("docs/api.md", "Warnings").split("\n\n")
    (grave,) = (part for part in text if "are grave" in part)
    assert set(re.findall(r"`([a-z]+-[a-z-]+)`", grave)) == doubts.GRAVE


def test_every_query_parameter_and_segment_is_in_the_api_document():
    assert members("docs/api.md", "Query parameters") == set(schemas.PARAMETERS)
    rows = re.findall(
        r"^\| `(\w+)` \|", section("docs/api.md", "Accuracy", "###"), re.M
    )
    assert rows[: len(schemas.SEGMENTS)] == list(schemas.SEGMENTS)


def test_every_member_of_an_answer_is_in_the_api_document(client, home):
    query = "?explain=true&comparables=1"
    answer = client.post(f"/v1/predict{query}", json=home).get_json()
    (prediction,) = answer["predictions"]
    assert members("docs/api.md", "The answer") == answer.keys() | prediction.keys()
    explained, (comparable,) = prediction["explanation"], prediction["comparables"]
    told = explained.keys() | explained["reasons"][0].keys()
    assert members("docs/api.md", "Reasons") == told
    assert members("docs/api.md", "Comparables") == set(comparable)


def test_every_member_of_the_accuracy_is_in_the_api_document(client):
    found = client.get("/v1/accuracy").get_json()
    row = found["accuracy"][0]
    wanted = found.keys() | row.keys() | set(schemas.SEGMENTS)
    named = members("docs/api.md", "Accuracy")
    assert named == wanted


def test_every_file_of_an_artifact_is_in_the_architecture_document():
    text = section("docs/architecture.md", "Kinds of model")
    assert {f for _, m in shipped() for f in m.files} <= set(
        re.findall(r"`([\w.]+)`", text)
    )


@pytest.mark.parametrize("package", ["valuation", "training"])
def test_every_module_is_in_the_architecture_document(package):
    house = section("docs/architecture.md", "The house")
    table = house.split(f"| `{package}/` | What |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (.*?) \|", table, re.M)
    folder = ROOT / "housing_app" / package
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    parts = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    assert set(re.findall(r"`([\w/]+)`", " ".join(rows))) == modules | parts


def test_every_manifest_field_is_in_the_architecture_document():
    lines = re.findall(
        r"^\| (.*?) \|", section("docs/architecture.md", "Artifacts"), re.M
    )
    named = re.findall(r"`(\w+)`", " ".join(lines))
    assert sorted(named) == sorted(artifacts.Manifest.__dataclass_fields__)


def test_the_data_document_lists_the_columns_in_order():
    rows = re.findall(r"^\| `(\w+)` \|.*\| (yes|no) \|$", read("data/README.md"), re.M)
    first, *others = read("data/zipcode_demographics.csv").splitlines()
    assert [name for name, _ in rows] == first.split(",")
    assert f"{len(others):,} U.S. zipcodes" in read("data/README.md")
    inputs = {name for name, used in rows if used == "yes"}
    assert inputs == set(census.MODEL_COLUMNS)
    assert inputs == {name for m in manifests() for name in m.demographics}


# --- links and paths ------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of a document's headings."""
    heads = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), target
        assert ROOT in (found, *found.parents), f"{target} leaves the repository"
        assert not anchor or anchor in anchors(found), target


def test_every_document_is_reached_from_the_readme():
    reached, left = set(), [ROOT / "README.md"]
    while left:
        path = left.pop()
        if path.suffix == ".md" and path not in reached:
            reached.add(path)
            for target in re.findall(r"\]\(([^)#\s]+)", path.read_text("utf-8")):
                left.append((path.parent / target).resolve())
    assert set(HAND_WRITTEN) - reached == set()


def test_no_file_names_a_path_of_the_workplace_it_was_made_in():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: cannot tell which files are the project's")
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        text=True,
    )
    private = re.compile(rb"(?<![\w.])/(?:work|opt/pypi)/\w")
    paths = [ROOT / name for name in listed.split("\0") if name]
    named = [p for p in paths if p.is_file() and private.search(p.read_bytes())]
    assert named == []
