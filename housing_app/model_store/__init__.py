"""Models from an object store: fetched at the start, verified, kept in INSTANCE_DIR."""

import json
import multiprocessing
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from flask import Flask

from housing_app import background, checks, metrics
from housing_app.logs import log
from housing_app.model_store import poll
from housing_app.model_store.byte_cache import ByteCache
from housing_app.model_store.fetch import fetch
from housing_app.model_store.remote import ModelStoreError, Remote
from housing_app.valuation.errors import ValuationError
from housing_app.valuation.serving import SERVING

__all__ = ["ByteCache", "ModelStoreError", "Remote", "folder", "init_app", "prepare"]
SECONDS = 120
_CURE = "check it, fill it with `flask store push`, or unset it to serve from MODEL_DIR"
_state: dict[str, Any] = {}  # of this process, from when its models were loaded


def init_app(app: Flask) -> None:
    """Have /health say where the models came from, and look for others."""
    if not app.config["MODEL_STORE_URL"]:
        return
    checks.add(app, poll.NAME, lambda: {"status": checks.OK} | _state)
    if seconds := app.config["MODEL_STORE_POLL"]:
        root = folder(app.config)
        background.add(
            app, poll.NAME, seconds, lambda: poll.look(root, seconds, _state)
        )


def folder(settings: Mapping[str, Any]) -> Path:
    """Return the folder that the models are served from."""
    if settings["MODEL_STORE_URL"]:
        return Path(settings["INSTANCE_DIR"]) / "models"
    return Path(settings["MODEL_DIR"])


def prepare(settings: Mapping[str, Any], seconds: int = SECONDS) -> Path:
    """Return the folder to load models from, after fetching what the store serves.

    Without the store the last copy serves. Raises ModelStoreError without that, too.
    """
    root = folder(settings)
    if not settings["MODEL_STORE_URL"]:
        return root
    found = _in_child(settings, root, seconds)
    reason = found.get("error")
    if reason:
        if not (root / SERVING).is_file():
            raise ModelStoreError(
                f"MODEL_STORE_URL: {reason}; {root} holds no copy: {_CURE}"
            )
        log.warning(poll.NAME, up=False, reason=reason, serving=str(root))
        state = {"status": checks.DEGRADED, "detail": "the last copy serves"}
    else:
        state = {"status": checks.OK} | {
            source: found[source] for source in ("local", "cache", "store")
        }
        _count(found)
    poll.note(root, reason)
    metrics.store_down.labels(poll.NAME).set(state["status"] != checks.OK)
    _state.clear()
    _state.update(state)
    return root


def _count(found: Mapping[str, Any]) -> None:
    for source in ("local", "cache", "store"):
        metrics.model_objects.labels(source).inc(found[source])
    metrics.model_cache_poisoned.inc(found["poisoned"])
    if found["cache_failure"] or found["poisoned"]:
        log.warning(
            "model cache", reason=found["cache_failure"], poisoned=found["poisoned"]
        )


def _in_child(settings: Mapping[str, Any], root: Path, seconds: int) -> dict[str, Any]:
    """Fetch in a process that ends: what the stores' clients cost goes with it."""
    # Forked, for this process has imported all else that is needed.
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    arguments = settings["MODEL_STORE_URL"], settings["REDIS_URL"], root, seconds
    child = context.Process(target=_child, args=(sender, *arguments), name="fetch")
    child.start()
    sender.close()
    found: dict[str, Any] = {"error": f"{settings['MODEL_STORE_URL']}: no answer"}
    try:
        if receiver.poll(seconds):
            found = json.loads(receiver.recv_bytes())
        else:
            found["error"] += f" in {seconds} s"
    except EOFError:
        child.join()
        found["error"] += f": the process that fetches ended ({child.exitcode})"
    finally:
        receiver.close()
        child.kill()
        child.join()
    return found


def _child(
    sender: Connection, url: str, redis_url: str, root: Path, seconds: int
) -> None:
    # It ends whatever happens to its parent.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds + 1)
    try:
        cache = ByteCache(redis_url) if redis_url else None
        found = fetch(Remote(url), cache, root).as_json()
    except ValuationError as error:
        found = {"error": str(error)}
    except OSError as error:
        found = {"error": f"{root}: {error.strerror or type(error).__name__}"}
    except Exception as error:
        # Its text could hold anything; the parent goes on with the last copy.
        found = {"error": f"{url}: {type(error).__name__}"}
    sender.send_bytes(json.dumps(found).encode())
