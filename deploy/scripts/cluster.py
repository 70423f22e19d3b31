"""Two Deployments on Kubernetes, driven through kubectl.

The manifests are deploy/kubernetes' overlays. Traffic goes by the Service's selector,
all of it to one colour, or by the weights of an Istio VirtualService.
"""

import json
import os
import re
import select
import subprocess  # nosec B404
import tempfile
from pathlib import Path
from typing import Any

from asking import Failed

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ROOT / "deploy" / "kubernetes" / "overlays"
NAME = "housing-api"  # of the Service and, with a colour, of the Deployments
COLOUR = "housing.colour"  # the label of pods, in the Service's selector
ROUTES, RULE = "housing", "weights"  # the VirtualService, and its rule that divides
PORT = 8000
READY_SECONDS = 600
ANSWER_SECONDS = 30  # for the API server; a rollout back must not wait for ever
COLOURS = ("blue", "green")


class Cluster:
    """A place for `rollout.py`; a release is an image with its tag or digest."""

    def __init__(self, namespace: str, traffic: str) -> None:
        self._namespace = namespace
        self._by_istio = traffic == "istio"
        self._forwards: dict[str, tuple[subprocess.Popen[str], str]] = {}

    def weights(self) -> dict[str, int]:
        """Return each colour's share of the traffic, in percent."""
        if not self._by_istio:
            chosen = self._get("service", NAME)["spec"]["selector"].get(COLOUR)
            return {colour: 100 * (colour == chosen) for colour in COLOURS}
        routes = self._rule()[1]["route"]
        found = {r["destination"]["subset"]: r.get("weight", 100) for r in routes}
        return {colour: found.get(colour, 0) for colour in COLOURS}

    def deploy(self, colour: str, release: str) -> None:
        """Apply a colour's overlay with the image; return when its pods are ready."""
        with tempfile.TemporaryDirectory() as folder:
            write_overlay(Path(folder), OVERLAYS / colour, release)
            self._kubectl("apply", "-k", folder)
        # As many as the other colour has now: it may get all the traffic at once.
        count = max(1, *(self._replicas(each) for each in COLOURS))
        self._kubectl("scale", f"deployment/{NAME}-{colour}", f"--replicas={count}")
        self._kubectl(
            *("rollout", "status", f"deployment/{NAME}-{colour}"),
            f"--timeout={READY_SECONDS}s",
        )

    def urls(self, colour: str) -> list[str]:
        """Return addresses here that lead to each of a colour's pods."""
        label = f"app.kubernetes.io/name={NAME},{COLOUR}={colour}"
        items = self._get("pods", "--selector", label)["items"]
        return [self._forward(pod["metadata"]["name"]) for pod in items if _runs(pod)]

    def shift(self, weights: dict[str, int]) -> None:
        """Divide the traffic. Old connections end by themselves: both colours run."""
        if self._by_istio:
            index, rule = self._rule()
            to = rule["route"][0]["destination"]
            routes = [
                {"destination": to | {"subset": colour}, "weight": share}
                for colour, share in weights.items()
            ]
            place = f"/spec/http/{index}/route"
            patch: Any = [{"op": "replace", "path": place, "value": routes}]
            self._patch(f"virtualservice/{ROUTES}", "json", patch)
            return
        (colour, *more) = [colour for colour, share in weights.items() if share]
        if more:
            raise Failed("a Service has one colour: shares need --traffic istio")
        self._patch(
            f"service/{NAME}", "merge", {"spec": {"selector": {COLOUR: colour}}}
        )

    def retire(self, colour: str) -> None:
        """Take a colour's pods away; each drains before it ends (preStop)."""
        if self.weights()[colour]:
            raise Failed(f"{colour} has traffic")
        # Its autoscaler leaves a Deployment of none alone.
        self._kubectl("scale", f"deployment/{NAME}-{colour}", "--replicas=0")

    def close(self) -> None:
        """End what leads to pods."""
        for process, _ in self._forwards.values():
            process.terminate()
            process.wait()
        self._forwards.clear()

    # --- parts ------------------------------------------------------------------------

    def _kubectl(self, *arguments: str) -> str:
        is_watching = arguments[0] == "rollout"
        try:
            done = subprocess.run(  # noqa: S603  # nosec B603, B607
                ["kubectl", "--namespace", self._namespace, *arguments],  # noqa: S607
                capture_output=True,
                text=True,
                check=False,
                timeout=ANSWER_SECONDS + READY_SECONDS * is_watching,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(
                f"kubectl {arguments[0]}: no answer in {error.timeout:g} s"
            ) from error
        if done.returncode:
            raise Failed(f"kubectl {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def _get(self, *arguments: str) -> Any:
        return json.loads(self._kubectl("get", *arguments, "--output=json"))

    def _replicas(self, colour: str) -> int:
        items = self._get("deployments", "--selector", f"{COLOUR}={colour}")["items"]
        return sum(item["spec"].get("replicas", 1) for item in items)

    def _patch(self, what: str, how: str, patch: Any) -> None:
        self._kubectl("patch", what, f"--type={how}", f"--patch={json.dumps(patch)}")

    def _rule(self) -> tuple[int, dict[str, Any]]:
        """Return the VirtualService's rule that divides the traffic, and its place."""
        rules = self._get("virtualservice", ROUTES)["spec"]["http"]
        for index, rule in enumerate(rules):
            if rule.get("name") == RULE:
                return index, rule
        raise Failed(f"VirtualService {ROUTES} has no rule {RULE}")

    def _forward(self, pod: str) -> str:
        """Return a local address of a pod, past Service, mesh and network policies."""
        process, url = self._forwards.get(pod, (None, ""))
        if process is not None and process.poll() is None:
            return url
        begun = subprocess.Popen(  # noqa: S603  # nosec B603
            [
                *("kubectl", "--namespace", self._namespace),
                *("port-forward", f"pod/{pod}", f":{PORT}"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert begun.stdout is not None  # noqa: S101  # nosec B101
        answered, _, _ = select.select([begun.stdout], [], [], ANSWER_SECONDS)
        line = begun.stdout.readline() if answered else ""
        said = re.match(r"Forwarding from (127\.0\.0\.1:\d+) ", line)
        if not said:
            begun.kill()
            begun.wait()
            raise Failed(f"kubectl cannot forward a port to {pod}")
        self._forwards[pod] = begun, f"http://{said[1]}"
        return self._forwards[pod][1]


def _runs(pod: dict[str, Any]) -> bool:
    return (
        pod["status"].get("phase") == "Running"
        and "deletionTimestamp" not in pod["metadata"]
    )


def write_overlay(folder: Path, overlay: Path, image: str) -> None:
    """Write a kustomization: an overlay's, but for the image."""
    if "@" not in image and ":" not in image.rpartition("/")[2]:
        raise Failed(f"{image} has no tag: a release is one image, not the latest")
    place = "/spec/template/spec/containers/0/image"
    change = json.dumps([{"op": "replace", "path": place, "value": image}])
    made = {
        # kustomize takes other folders by relative paths alone.
        "resources": [os.path.relpath(overlay, folder.resolve())],
        "patches": [{"target": {"kind": "Deployment"}, "patch": change}],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(made), "utf-8")
