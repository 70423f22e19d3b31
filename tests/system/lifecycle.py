"""The life of a model, from newer sales to a rollback, on a server under load.

    make lifecycle [SALES=file.csv]

Everything happens in a temporary folder, by the commands an operator would use, which are
printed with what they say. Without a file of sales it makes some up. Ends with 1 if a
request failed or a step did not do what it says.
"""

import argparse
import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import requests  # noqa: E402
from load import Load  # noqa: E402
from training import synthetic  # noqa: E402

CHAMPION, CANDIDATE, BASELINE = "lightgbm-full-1", "lightgbm-full-2", "knn-minimal-1"
HOME = json.loads((ROOT / "examples" / "home.json").read_text())
SECONDS = 5.0  # until every worker has followed
CLIENTS = 400


class Life:
    """Run commands and a server in one folder, and say what they say."""

    def __init__(self, folder: Path, trees: int) -> None:
        self.folder = folder
        self.trees = ("--trees", str(trees)) if trees else ()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        for name in ("models", "metrics"):
            (folder / name).mkdir()
        self._environ = os.environ | {
            "FLASK_APP": "housing_app",
            "PYTHONPATH": str(ROOT),
            "MODEL_DIR": str(folder / "models"),
            "INSTANCE_DIR": str(folder / "instance"),
            "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
            "PORT": str(self.port),
            "RATE_LIMIT": "off",
            "CACHE": "off",
        }

    def say(self, text: str) -> None:
        """Print a line of the log."""
        print(text.replace(f"{self.folder}/", ""), flush=True)

    def step(self, text: str) -> None:
        """Begin a step."""
        self.say(f"\n--- {text}")

    def flask(self, *arguments: str, shown: bool = True) -> str:
        """Run a command that must succeed; return what it prints."""
        self.say(f"$ flask {' '.join(arguments)}")
        command = [sys.executable, "-m", "flask", *arguments]
        environ = {
            k: v for k, v in self._environ.items() if k != "PROMETHEUS_MULTIPROC_DIR"
        }
        done = subprocess.run(
            command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if shown or done.returncode:
            self.say(done.stdout.strip())
        if done.returncode:
            sys.exit(f"it failed: {done.stderr.strip()}")
        return done.stdout

    @contextmanager
    def served(self) -> Any:
        """Run the server."""
        command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"]
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command, env=self._environ, cwd=ROOT, stdout=log, stderr=log
            )
        try:
            self.until(self._is_ready, "ready", 60)
            yield
        finally:
            process.terminate()
            process.wait(60)

    def _is_ready(self) -> bool:
        try:
            return requests.get(self.url("/health/ready"), timeout=5).ok
        except requests.ConnectionError:
            return False

    def url(self, path: str) -> str:
        """Return where the server answers."""
        return f"http://127.0.0.1:{self.port}{path}"

    def until(self, done: Callable[[], bool], what: str, seconds: float) -> float:
        """Wait until something is so; return how long it took."""
        began = time.monotonic()
        while not done():
            if time.monotonic() - began > seconds:
                sys.exit(f"not {what} within {seconds:.0f} s")
            time.sleep(0.05)
        return time.monotonic() - began

    def value(self, home: dict[str, Any], client: str = "") -> dict[str, Any]:
        """Ask for a home's value."""
        headers = {"X-Client-Id": client} if client else {}
        answer = requests.post(
            self.url("/v1/predict"), json=home, headers=headers, timeout=10
        )
        answer.raise_for_status()
        return dict(answer.json())

    def model_of(self, client: str = "") -> str:
        """Return the model that answers."""
        found = self.value(HOME, client)["model"]
        return f"{found['name']}-{found['version']}"

    def all_by(self, name: str) -> bool:
        """Say whether twenty answers in a row come from a model."""
        return all(self.model_of() == name for _ in range(20))


def sales(source: Path | None) -> list[dict[str, Any]]:
    """Return sales in the order of their dates."""
    if source is None:
        return synthetic.sales(2_400)
    with source.open(newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    return sorted(rows, key=lambda row: row["date"])


def home_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return a sale's home as the API takes it."""
    found = {name: float(row[name]) for name in HOME if name != "zipcode"}
    return found | {"zipcode": str(row["zipcode"])}


def live(life: Life, rows: list[dict[str, Any]]) -> None:
    """Go through a model's life."""
    first = [row for row in rows if str(row["date"]) < "20150101"]
    old = synthetic.write(life.folder / "sales-2014.csv", first)
    new = synthetic.write(life.folder / "sales.csv", rows)
    life.step(f"a champion of the {len(first):,} sales of 2014")
    train = ("model", "train", *life.trees, "--sales", str(old))
    life.flask(*train, "--kind", "lightgbm", "--slot", "full", shown=False)
    life.flask(*train, "--kind", "knn", "--slot", "minimal", shown=False)
    slots = {"full": CHAMPION, "minimal": BASELINE}
    serving = {s: {"champion": n, "fallback": BASELINE} for s, n in slots.items()}
    (life.folder / "models" / "serving.json").write_text(json.dumps(serving))
    with life.served(), Load(life.port, HOME, rate=40.0) as load:
        life.say(f"a server of two workers answers, 40 requests/s; {life.model_of()}")
        _change(life, rows, new)
    life.step("what clients saw")
    for name, count in sorted(Counter(name for *_, name in load.models).items()):
        life.say(f"{count:>6,} answers by {name}")
    life.say(f"{load.count:>6,} requests, {sum(load.errors().values())} failed")
    if load.errors():
        sys.exit(f"failed: {load.errors()}")


def _change(life: Life, rows: list[dict[str, Any]], new: Path) -> None:
    life.step(f"retrain on all {len(rows):,} sales, and gate")
    rejected = str(life.folder / "rejected.csv")
    options = ("--slot", "full", "--sales", str(new), "--rejected", rejected)
    life.flask("model", "retrain", *options, *life.trees)
    life.step("shadow: it values what the champion answers, unseen")
    life.flask("model", "shadow", CANDIDATE, "--why", "looks good")
    for row in rows[-400:]:
        life.value(home_of(row))
    life.until(lambda: _shadowed(life) >= 300, "300 homes valued by the shadow", 60)
    life.flask("journal", "drain", shown=False)
    life.flask("experiment", "shadow")
    life.step("10 %: clients that say who they are, by SHA-256")
    life.flask("model", "challenge", CANDIDATE, "--share", "0.1")
    clients = [f"client-{n}" for n in range(CLIENTS)]
    some = life.until(
        lambda: CANDIDATE in {life.model_of(c) for c in clients[:60]}, "live", 30
    )
    life.say(f"in service after {some:.1f} s")
    time.sleep(SECONDS)
    sold = rows[-4 * CLIENTS :]
    answers = [
        life.value(home_of(row), clients[n % CLIENTS]) for n, row in enumerate(sold)
    ]
    arms = Counter(answer["model"]["variant"] for answer in answers)
    life.say(
        f"{len(answers):,} homes of {CLIENTS} clients: {dict(sorted(arms.items()))}"
    )
    life.step("sale prices come in, and are compared")
    outcomes = [
        {
            "prediction_id": answer["predictions"][0]["id"],
            "sale_price": float(row["price"]),
            "sale_date": f"{row['date'][:4]}-{row['date'][4:6]}-{row['date'][6:8]}",
        }
        for answer, row in zip(answers, sold, strict=True)
    ]
    for start in range(0, len(outcomes), 500):
        part = {"outcomes": outcomes[start : start + 500]}
        answer = requests.post(life.url("/v1/outcomes"), json=part, timeout=60)
        if not answer.ok:
            sys.exit(answer.text[:500])
    life.say(f"{len(outcomes):,} outcomes reported")
    life.flask("experiment", "report")
    life.step("100 %")
    life.flask("model", "promote", CANDIDATE, "--why", "passed its gate")
    took = life.until(lambda: life.all_by(CANDIDATE), f"all by {CANDIDATE}", 30)
    life.say(f"every answer is its own after {took:.1f} s")
    life.step("roll back")
    life.flask("model", "rollback", "--slot", "full", "--why", "to show that it works")
    took = life.until(lambda: life.all_by(CHAMPION), f"all by {CHAMPION}", 30)
    life.say(f"every answer is {CHAMPION}'s again after {took:.1f} s")
    life.flask("model", "history")


def _shadowed(life: Life) -> float:
    text = requests.get(life.url("/metrics"), timeout=10).text
    rows = [x for x in text.splitlines() if x.startswith("shadow_homes_total{")]
    return sum(float(x.split()[-1]) for x in rows if 'result="valued"' in x)


def main() -> None:
    """Read the options and go through it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sales", type=Path, help="CSV of sales; else made-up ones.")
    parser.add_argument("--trees", type=int, default=0, help="Fewer, to be quick.")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lifecycle-"))
    try:
        live(Life(folder, options.trees), sales(options.sales))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
