#!/usr/bin/env python3
"""A kubectl for tests: its cluster is a file, its pods are servers that run here.

STATE names a JSON file of the objects by kind and name, of what was asked, and of the
port behind each pod.
"""

import json
import os
import sys
import time
from pathlib import Path

STATE = Path(os.environ["STATE"])


def main(arguments: list[str]) -> int:
    """Do what the one command says."""
    assert arguments[:2] == ["--namespace", "housing"], arguments
    verb, *rest = arguments[2:]
    state = json.loads(STATE.read_text("utf-8"))
    state["asked"].append([verb, *rest])
    if verb == state.get("hangs"):
        time.sleep(600)
    code = globals()[verb](state, rest)
    STATE.write_text(json.dumps(state), "utf-8")
    return code


def get(state: dict, rest: list[str]) -> int:
    """Print an object, or those with a label."""
    kind, *more = rest
    if more[0] == "--selector":
        labels = dict(pair.split("=") for pair in more[1].split(","))
        items = [
            item
            for item in state["objects"][kind]
            if labels.items() <= item["metadata"]["labels"].items()
        ]
        print(json.dumps({"items": items}))
    else:
        print(json.dumps(state["objects"][kind]))
    return 0


def patch(state: dict, rest: list[str]) -> int:
    """Change the Service by a merge patch, the VirtualService by a JSON patch."""
    kind = rest[0].partition("/")[0]
    change = json.loads(rest[2].partition("=")[2])
    if kind == "service":
        selector = state["objects"]["service"]["spec"]["selector"]
        selector |= change["spec"]["selector"]
        return 0
    (one,) = change
    *_, index, key = one["path"].split("/")
    state["objects"]["virtualservice"]["spec"]["http"][int(index)][key] = one["value"]
    return 0


def apply(state: dict, rest: list[str]) -> int:
    """Keep what is applied."""
    state["applied"] = json.loads(Path(rest[1], "kustomization.yaml").read_text())
    return 0


def scale(state: dict, rest: list[str]) -> int:
    """Set how many pods a Deployment has."""
    colour = rest[0].rpartition("-")[2]
    count = int(rest[1].rpartition("=")[2])
    for item in state["objects"]["deployments"]:
        if item["metadata"]["labels"]["housing.colour"] == colour:
            item["spec"]["replicas"] = count
    return 0


def rollout(state: dict, rest: list[str]) -> int:
    """Say how a Deployment does."""
    if state.get("stuck"):
        print("error: timed out waiting for the condition", file=sys.stderr)
        return 1
    return 0


def forward(rest: list[str]) -> None:
    """Say where a pod is; stay until ended."""
    pod = rest[0].removeprefix("pod/")
    state = json.loads(STATE.read_text("utf-8"))
    if state.get("hangs") == "port-forward":
        time.sleep(600)
    port = state["ports"][pod]
    print(f"Forwarding from 127.0.0.1:{port} -> 8000", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    if sys.argv[3] == "port-forward":
        forward(sys.argv[4:])
    sys.exit(main(sys.argv[1:]))
