"""Our service beside other ways to serve the same models, by turns in one run.

    python benchmarks/peers.py [--sales FILE] [--seconds 5] [--only NAME …]
    python benchmarks/peers.py --install [--only NAME …]     # environments only

Each peer has an environment of its own under build/bench/peers, made here once. A peer
that cannot be installed or does not answer is listed with the reason. All get the same
homes, eight connections and as many workers; each has the same KNN and, in a run of
its own, the same LightGBM.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import clients
import results
import servers
from homes import Home, homes
from servers import Server

APPS = Path(__file__).resolve().parent / "peer_apps"
BUILD = results.BUILD / "peers"
KINDS = ("knn", "lightgbm")
COMMON = ["numpy<3", "pandas<3", "scikit-learn", "lightgbm"]
CONNECTIONS = 8


class Peer(NamedTuple):
    """Describe a server: what to install, how to start it, how to ask it."""

    packages: list[str]
    shown: list[str]  # whose versions are reported
    command: Callable[[Path, int, int], list[str]]  # environment, port, workers
    path: str = "/predict"
    body: Callable[[Home], Any] = lambda home: home
    prepare: Callable[[Path, Path], None] = lambda venv, models: None
    files: Callable[[Path, int, int], None] = lambda folder, port, workers: None


def _python(venv: Path) -> str:
    return str(venv / "bin" / "python")


def _mlserver_files(folder: Path, port: int, workers: int) -> None:
    """Write the two settings files that MLServer reads from its folder."""
    server = {
        "http_port": port,
        "grpc_port": servers.free_port(),
        "metrics_port": servers.free_port(),
        "parallel_workers": workers,
        "host": "127.0.0.1",
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(server))
    model = {"name": "homes", "implementation": "mlserver_app.Homes"}
    (folder / "model-settings.json").write_text(json.dumps(model))


def _in_process(folder: Path, port: int, workers: int) -> None:
    _mlserver_files(folder, port, 0)


def _v2(home: Home) -> dict[str, Any]:
    """Return a home as MLServer's protocol takes it."""
    data = [json.dumps(home)]
    member = {"name": "home", "shape": [1], "datatype": "BYTES", "data": data}
    return {"inputs": [member]}


def _mlflow_model(venv: Path, models: Path) -> None:
    if not (models / "mlflow").exists():
        command = [_python(venv), str(APPS / "mlflow_model.py"), str(models / "mlflow")]
        environ = os.environ | {"PEER_MODELS": str(models), "PYTHONPATH": str(APPS)}
        subprocess.run(command, check=True, env=environ, capture_output=True)


def _tool(name: str, *arguments: str) -> Callable[[Path, int, int], list[str]]:
    def command(venv: Path, port: int, workers: int) -> list[str]:
        filled = (a.format(port=port, workers=workers) for a in arguments)
        return [str(venv / "bin" / name), *filled]

    return command


_UVICORN = ("fastapi_app:app", "--host", "127.0.0.1", "--port", "{port}")
_MLSERVER = {
    # Its workers want the event loop that older ones of uvloop make unasked.
    "packages": ["mlserver", "uvicorn<0.36", "uvloop<0.22"],
    "shown": ["mlserver"],
    "command": _tool("mlserver", "start", "."),
    "path": "/v2/models/homes/infer",
    "body": _v2,
}
PEERS: dict[str, Peer] = {
    "FastAPI + pandas + scikit-learn": Peer(
        ["fastapi", "uvicorn[standard]"],
        ["fastapi", "uvicorn"],
        _tool("uvicorn", *_UVICORN, "--workers", "{workers}", "--log-level", "warning"),
    ),
    "MLServer, in process": Peer(**_MLSERVER, files=_in_process),
    "MLServer, worker pool": Peer(**_MLSERVER, files=_mlserver_files),
    "MLflow serving": Peer(
        ["mlflow", "uvicorn"],
        ["mlflow"],
        lambda venv, port, workers: [
            *(str(venv / "bin" / "mlflow"), "models", "serve", "-m", "models/mlflow"),
            *("--env-manager", "local", "-p", str(port), "-w", str(workers)),
        ],
        path="/invocations",
        body=lambda home: {"dataframe_records": [home]},
        prepare=_mlflow_model,
    ),
    "BentoML": Peer(
        ["bentoml"],
        ["bentoml"],
        _tool("bentoml", "serve", "bentoml_app:Homes", "-p", "{port}"),
        body=lambda home: {"payload": home},
    ),
    "LitServe": Peer(
        ["litserve"],
        ["litserve"],
        lambda venv, port, workers: [_python(venv), str(APPS / "litserve_app.py")],
    ),
    "Ray Serve": Peer(
        ["ray[serve]"],
        ["ray"],
        lambda venv, port, workers: [_python(venv), str(APPS / "ray_app.py")],
    ),
}


def venv_of(name: str) -> Path:
    """Return the folder of a peer's environment; peers of one package share it."""
    return BUILD / PEERS[name].shown[0]


def install(name: str) -> str:
    """Make a peer's environment unless it is there; return why it cannot be made."""
    venv, peer = venv_of(name), PEERS[name]
    done = venv / "installed.json"
    wanted = [*peer.packages, *COMMON]
    if done.exists() and json.loads(done.read_text()) == wanted:
        return ""
    print(f"installing {name} into {venv}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
    command = [_python(venv), "-m", "pip", "install", "--quiet", *wanted]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        lines = [x for x in found.stderr.splitlines() if x.startswith("ERROR")]
        return (lines or found.stderr.splitlines() or ["pip failed"])[-1][:300]
    done.write_text(json.dumps(wanted))
    return ""


def versions(name: str) -> dict[str, str]:
    """Return the versions of what a peer is made of."""
    shown = [*PEERS[name].shown, "pandas", "scikit-learn", "lightgbm"]
    code = "import json, sys; from importlib.metadata import version; "
    code += "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    command = [_python(venv_of(name)), "-c", code, *shown]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(found.stdout))


def trained(name: str, sales: str) -> Path:
    """Fit the KNN with a peer's own libraries; return the folder of its models."""
    venv = venv_of(name)
    models = venv / "models"
    if not (models / "about.json").exists():
        sources = [sales, str(results.ROOT / "data" / "zipcode_demographics.csv")]
        sources.append(str(results.ROOT / "model" / "lightgbm-full-2" / "price.txt"))
        command = [_python(venv), str(APPS / "valuer.py"), "train", str(models)]
        found = subprocess.run(
            [*command, *sources], capture_output=True, text=True, check=False
        )
        if found.returncode:
            raise RuntimeError(found.stderr.splitlines()[-1][:300])
    PEERS[name].prepare(venv, models)
    return models


@contextmanager
def started(name: str, kind: str, sales: str, workers: int) -> Iterator[Server]:
    """Run a peer with a model."""
    peer, venv, port = PEERS[name], venv_of(name), servers.free_port()
    models = trained(name, sales)
    peer.files(venv, port, workers)
    environ = {
        "PEER_MODELS": str(models),
        "PEER_KIND": kind,
        "PEER_PORT": str(port),
        "PEER_WORKERS": str(workers),
        "PYTHONPATH": str(APPS),
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
        # Nothing of a benchmark calls home.
        "BENTOML_DO_NOT_TRACK": "True",
        "RAY_USAGE_STATS_ENABLED": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = peer.command(venv, port, workers)
    with servers.running(
        command, port, environ, cwd=venv, output=venv / "log"
    ) as process:
        server = Server(process, port, peer.path)
        first = json.dumps(peer.body(next(homes(1)))).encode()
        servers.wait(server, first, seconds=120)
        yield server


def measure(
    server: Server, body: Callable[[Home], Any], seconds: float, turns: int
) -> dict[str, Any]:
    """Return the best of some turns; the answer of the first one shows what it is."""
    sent = [json.dumps(body(home)).encode() for home in homes(40_000)]
    clients.closed(server, sent, CONNECTIONS, 1)  # warm
    found = [clients.closed(server, sent, CONNECTIONS, seconds) for _ in range(turns)]
    return max(found, key=lambda one: one["rate"])


def compare(options: argparse.Namespace, names: list[str]) -> list[dict[str, Any]]:
    """Measure the empty view, ours, and each peer with each model."""
    table = []
    for own in ("the empty view", "housing_app"):
        with ExitStack() as stack:
            make = servers.empty if own == "the empty view" else servers.ours
            server = stack.enter_context(make(options.workers))
            found = measure(server, lambda home: home, options.seconds, options.turns)
        table.append({"name": own, "kind": "", **found})
    for name in names:
        for kind in KINDS:
            table.append({"name": name, "kind": kind, **_peer(options, name, kind)})
            print(table[-1], file=sys.stderr)
    return table


def _peer(options: argparse.Namespace, name: str, kind: str) -> dict[str, Any]:
    if why := install(name):
        return {"failed": f"not installed: {why}"}
    try:
        with started(name, kind, options.sales, options.workers) as server:
            body = PEERS[name].body
            found = measure(server, body, options.seconds, options.turns)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        return {"failed": str(error)[:300], "versions": versions(name)}
    return found | {"versions": versions(name)}


def main() -> None:
    """Read the options, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sales", default="synthetic", help="CSV to fit the KNN on")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--install", action="store_true", help="and measure nothing")
    options = parser.parse_args()
    if options.install:
        for name in options.only:
            print(f"{name}: {install(name) or 'installed'}")
        return
    results.save("peers", compare(options, options.only))


if __name__ == "__main__":
    main()
