"""How gunicorn runs the app: preloaded models, shared by light workers."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HEAVY = {
    "pandas",
    "sklearn",
    "scipy",
    "lightgbm",
    "catboost",
    "skops",
    "joblib",
    "mlflow",
    "matplotlib",
}

LIST_MODULES = """
import json, sys, wsgi
client = wsgi.app.test_client()
home = json.load(open("examples/home.json"))
core = ("bedrooms", "bathrooms", "sqft_living", "sqft_lot", "floors", "sqft_above",
        "sqft_basement", "zipcode")
answers = [
    client.post("/v1/predict", json=home),
    client.post("/v1/predict/minimal", json={name: home[name] for name in core}),
    client.get("/v1/info"),
    client.get("/health/ready"),
    client.get("/metrics"),
]
print(json.dumps([[a.status_code for a in answers], sorted(sys.modules)]))
"""


def mapped(pid, word):
    """Return where a process has files mapped whose path holds a word."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line for line in lines if word in line}


def test_two_workers_are_born_with_the_masters_models(server):
    first, second = server.workers()
    # Two processes that map a file on their own do so at different addresses.
    addresses = {line.split()[0] for line in mapped(server.pid, "/points.npy")}
    assert addresses, "the master has not loaded the baseline"
    for pid in (first, second):
        found = {line.split()[0] for line in mapped(pid, "/points.npy")}
        assert found == addresses


def test_no_process_loads_a_library_that_no_served_model_needs(server):
    for pid in (server.pid, *server.workers()):
        assert not mapped(pid, "lib_lightgbm.so")
        assert not mapped(pid, "_catboost")


def test_both_workers_answer(server, home):
    def files():
        return {
            pid: path.read_bytes()
            for pid in server.workers()
            for path in server.metrics.glob(f"counter_{pid}.db")
        }

    before = files()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.post(home), range(100)))
    assert {answer.status_code for answer in answers} == {200}
    prices = {answer.json()["predictions"][0]["price"] for answer in answers}
    assert len(prices) == 1
    after = files()
    for pid in server.workers():
        assert after[pid] != before.get(pid), f"worker {pid} counted nothing"


def test_a_serving_process_has_nothing_heavy_on_board(server):
    for pid in [server.pid, *server.workers()]:
        for package in ("/pandas/", "/sklearn/", "/pyarrow/"):
            assert not mapped(pid, f"site-packages{package}")


def test_serving_imports_no_training_library(run):
    done = run("-c", LIST_MODULES, RATE_LIMIT="off")
    assert done.returncode == 0, done.stderr
    statuses, modules = json.loads(done.stdout.splitlines()[-1])
    assert statuses == [200] * 5
    assert {name.split(".")[0] for name in modules} & HEAVY == set()
    trainers = [name for name in modules if name.startswith("housing_app.training")]
    assert trainers == []


def test_the_greeting_names_the_port_and_a_command_to_try(server):
    text = server.output.read_text()
    assert f"housing_app answers on {server.url}" in text
    assert f"curl {server.url}/v1/predict" in text


def test_each_worker_computes_with_one_thread(server, home, app):
    server.post({"records": [home] * 500})
    beside = len(app.extensions["housing_app.background"].jobs)
    for pid in server.workers():
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1 + beside
