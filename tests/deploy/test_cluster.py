"""The same logic by kubectl: a stand-in for it here, real servers behind its pods."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rollout_scripts import asking, cluster, golden, rollout, watch
from served import MODEL

from housing_app.valuation import features
from tests.deploy.conftest import program

IMAGE = "registry.test/housing_app:1.2.3"
STAND_IN = Path(__file__).with_name("kubectl.py")
LIMITS = watch.Limits(seconds=0.05, least=0)


def labelled(name, colour, **more):
    labels = {"app.kubernetes.io/name": "housing-api", "housing.colour": colour}
    return {"metadata": {"name": name, "labels": labels}, **more}


@pytest.fixture
def state(server, tmp_path, monkeypatch):
    """Stand in for kubectl; return what reads and changes its cluster."""
    running = {"status": {"phase": "Running"}}
    to = {"host": "housing-api-colours", "subset": "blue", "port": {"number": 8000}}
    objects = {
        "service": {"spec": {"selector": {"app": "x", "housing.colour": "blue"}}},
        "virtualservice": {
            "spec": {
                "http": [
                    {"name": "metrics", "directResponse": {"status": 404}},
                    {"name": "weights", "route": [{"destination": to}]},
                ]
            }
        },
        "deployments": [
            labelled("housing-api-blue", "blue", spec={"replicas": 4}),
            labelled("housing-api-green", "green", spec={"replicas": 0}),
        ],
        "pods": [
            labelled("blue-1", "blue", **running),
            labelled("green-1", "green", **running),
            labelled("green-2", "green", **running),
            labelled("green-3", "green", status={"phase": "Pending"}),
        ],
    }
    ports = {f"{c}-{i}": server.port for c in ("blue", "green") for i in (1, 2)}
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"objects": objects, "asked": [], "ports": ports}))
    folder = tmp_path / "bin"
    folder.mkdir()
    kubectl = folder / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("STATE", str(path))

    def use(**changes):
        found = json.loads(path.read_text())
        path.write_text(json.dumps(found | changes))
        return found

    return use


@pytest.fixture(params=["service", "istio"])
def place(request, state):
    made = cluster.Cluster("housing", request.param)
    yield made
    made.close()


def test_a_release_gets_the_traffic_and_gives_it_back(place, state, capsys):
    assert rollout.release(place, IMAGE, MODEL, LIMITS) == rollout.DONE
    assert place.weights() == {"blue": 0, "green": 100}
    said = capsys.readouterr().out
    assert said.count("golden prices") == 2, "every pod is asked, that runs"
    found = state()
    replicas = [d["spec"]["replicas"] for d in found["objects"]["deployments"]]
    assert replicas == [4, 4]
    assert rollout.back(place, None) == rollout.DONE
    assert place.weights() == {"blue": 100, "green": 0}


def test_the_image_is_applied_over_the_overlay(state):
    place = cluster.Cluster("housing", "service")
    place.deploy("green", IMAGE)
    (patched,) = state()["applied"]["patches"]
    assert json.loads(patched["patch"])[0]["value"] == IMAGE
    (overlay,) = state()["applied"]["resources"]
    assert overlay.endswith("deploy/kubernetes/overlays/green")


def test_a_bad_release_is_rolled_back(place, state, monkeypatch):
    def bad(*_):
        raise asking.Failed("30 of 100 requests failed")

    monkeypatch.setattr(watch, "watch", bad)
    assert rollout.release(place, IMAGE, MODEL, LIMITS) == rollout.ROLLED_BACK
    assert place.weights() == {"blue": 100, "green": 0}
    verbs = [asked[0] for asked in state()["asked"]]
    assert verbs.count("patch") == 2


@pytest.mark.parametrize(
    ("verb", "said"),
    [("get", "get: no answer in 1 s"), ("port-forward", "cannot forward a port to")],
)
def test_a_cluster_that_hangs_is_not_waited_for(place, state, monkeypatch, verb, said):
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 1)
    state(hangs=verb)
    with pytest.raises(asking.Failed, match=said):
        place.urls("blue") if verb == "port-forward" else place.weights()


def test_golden_requests_hold_the_core_fields():
    names = [feature.name for feature in features.slot_features("minimal")]
    assert sorted(golden.CORE) == sorted([*names, "zipcode"])


def test_a_cancelled_release_is_rolled_back(place, monkeypatch):
    def cancelled(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "watch", cancelled)
    assert rollout.release(place, IMAGE, MODEL, LIMITS) == rollout.ROLLED_BACK
    assert place.weights() == {"blue": 100, "green": 0}


def test_a_rollback_that_fails_is_said_so(place, monkeypatch, capsys):
    def broken(_):
        raise asking.Failed("no route to the cluster")

    def watched(*_):
        monkeypatch.setattr(place, "shift", broken)
        raise asking.Failed("slow")

    monkeypatch.setattr(watch, "watch", watched)
    assert rollout.release(place, IMAGE, MODEL, LIMITS) == rollout.STUCK
    assert "no route to the cluster; try `back blue`" in capsys.readouterr().out


def test_pods_that_do_not_get_ready_get_no_traffic(place, state, capsys):
    state(stuck=True)
    assert rollout.release(place, IMAGE, MODEL, LIMITS) == rollout.REFUSED
    assert "timed out" in capsys.readouterr().out
    found = state()
    assert "patch" not in [asked[0] for asked in found["asked"]]
    assert found["objects"]["deployments"][1]["spec"]["replicas"] == 0


def test_a_release_without_traffic_is_not_taken_for_good(place, capsys):
    limits = watch.Limits(seconds=0.1, least=1)
    assert rollout.release(place, IMAGE, MODEL, limits) == rollout.ROLLED_BACK
    assert "0 requests in 0.1 s are too few" in capsys.readouterr().out
    assert place.weights() == {"blue": 100, "green": 0}


def test_a_canary_is_istios(state, capsys):
    place = cluster.Cluster("housing", "istio")
    shares = []
    shift = place.shift

    def kept(weights):
        shift(weights)
        shares.append(place.weights())

    place.shift = kept
    code = rollout.release(place, IMAGE, MODEL, LIMITS, (10, 50, 100))
    place.close()
    assert code == rollout.DONE, capsys.readouterr().out
    assert [share["green"] for share in shares] == [10, 50, 100]
    assert all(sum(share.values()) == 100 for share in shares)
    rule = state()["objects"]["virtualservice"]["spec"]["http"][1]
    assert rule["route"][0]["destination"]["port"] == {"number": 8000}


def test_a_service_cannot_divide(state, capsys):
    place = cluster.Cluster("housing", "service")
    code = rollout.release(place, IMAGE, MODEL, LIMITS, (10, 100))
    place.close()
    assert code == rollout.ROLLED_BACK
    assert "--traffic istio" in capsys.readouterr().out
    assert place.weights() == {"blue": 100, "green": 0}


def test_divided_traffic_is_not_released_over(state):
    place = cluster.Cluster("housing", "istio")
    place.shift({"green": 10, "blue": 90})
    with pytest.raises(asking.Failed, match="divided"):
        rollout.release(place, IMAGE, MODEL, LIMITS)
    place.close()


@pytest.mark.parametrize("image", ["housing_app", "registry.test:5000/housing_app"])
def test_an_image_without_a_tag_is_refused(tmp_path, image):
    with pytest.raises(asking.Failed, match="no tag"):
        cluster.write_overlay(tmp_path, tmp_path, image)


@pytest.mark.parametrize("image", [IMAGE, "r.test:5000/housing_app@sha256:" + "0" * 64])
def test_the_real_kustomize_takes_what_is_written(tmp_path, image):
    kubectl = program("kubectl", first=Path(sys.executable).parent)
    overlay, folder = tmp_path / "overlay", tmp_path / "made"
    for each in (overlay, folder):
        each.mkdir()
    resources = {"resources": ["deployment.yaml"], "nameSuffix": "-green"}
    (overlay / "kustomization.yaml").write_text(json.dumps(resources))
    container = {"name": "api", "image": "old"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "housing-api"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    (overlay / "deployment.yaml").write_text(json.dumps(deployment))
    cluster.write_overlay(folder, overlay, image)
    done = subprocess.run(
        [kubectl, "kustomize", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"image: {image}\n" in done.stdout
    assert "name: housing-api-green\n" in done.stdout
