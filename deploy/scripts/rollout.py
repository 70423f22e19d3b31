"""Give a new release the traffic, and take it back by itself if it does badly.

One logic for two places: `--on local` has two pools of gunicorn behind nginx on one
machine, `--on kubernetes` two Deployments. docs/releases.md has the runbooks.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import Protocol

import golden
import watch
from asking import Failed, ask
from cluster import Cluster
from pools import Pools

ROOT = Path(__file__).resolve().parents[2]
COLOURS = ("blue", "green")
DONE, REFUSED, ROLLED_BACK, STUCK = range(4)


class Place(Protocol):
    """Where two colours of the service run, and what divides the traffic."""

    def weights(self) -> dict[str, int]:
        """Return each colour's share of the traffic, in percent."""

    def deploy(self, colour: str, release: str) -> None:
        """Start a release that gets no traffic yet; return when it is ready."""

    def urls(self, colour: str) -> list[str]:
        """Return the addresses of a colour's instances, past what divides traffic."""

    def shift(self, weights: dict[str, int]) -> None:
        """Divide the traffic; return when nothing goes by the old shares."""

    def retire(self, colour: str) -> None:
        """Stop a colour that gets no traffic."""


def say(text: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def other(colour: str) -> str:
    """Return the colour beside this one."""
    return COLOURS[1 - COLOURS.index(colour)]


def live(place: Place) -> str:
    """Return the colour that has all the traffic. Raises Failed if none has."""
    shares = place.weights()
    for colour in COLOURS:
        if shares[colour] == 100:
            return colour
    raise Failed(f"the traffic is divided, {shares}: end that first (`back COLOUR`)")


def release(  # noqa: PLR0917
    place: Place,
    name: str,
    models: Path,
    limits: watch.Limits,
    steps: tuple[int, ...] = (100,),
    tolerance: float = 1e-6,
) -> int:
    """Deploy beside what is live, verify, and give traffic in steps; return a code.

    Whatever goes wrong before the first step leaves the traffic as it is; whatever goes
    wrong later gives all of it back to what was live. That one keeps running.
    """
    old = live(place)
    new = other(old)
    say(f"{old} is live; {name} becomes {new}")
    try:
        place.deploy(new, name)
        verify(place, new, models, tolerance)
    except BaseException as error:
        say(f"refused, nothing was shifted: {_why(error)}")
        place.retire(new)
        return _end(error, REFUSED)
    try:
        for share in steps:
            place.shift({new: share, old: 100 - share})
            say(f"{new} has {share} % of the traffic; watched for {limits.seconds:g} s")
            found = watch.watch(lambda: place.urls(new), limits)
            say(
                f"{found.requests} requests, {found.errors} failed, 95 % within "
                f"{found.p95():g} s"
            )
    except BaseException as error:
        say(f"rolling back: {_why(error)}")
        try:
            place.shift({old: 100, new: 0})
        except Failed as worse:
            say(f"NOT ROLLED BACK: {worse}; try `back {old}`")
            return STUCK
        say(f"{old} has all the traffic again; {new} runs on, for a look at it")
        return _end(error, ROLLED_BACK)
    say(f"{new} is live; {old} runs on, for `back` (end it with `retire`)")
    return DONE


def verify(place: Place, colour: str, models: Path, tolerance: float) -> None:
    """Send golden requests to every instance of a colour. Raises Failed."""
    urls = place.urls(colour)
    if not urls:
        raise Failed(f"{colour} has no instance")
    for url in urls:
        count = golden.verify(url, models, tolerance)
        say(f"{url} gives {count} golden prices")


def back(place: Place, colour: str | None) -> int:
    """Give all the traffic to a colour that still runs: the other one, or a named."""
    colour = colour or other(live(place))
    urls = place.urls(colour)
    if not urls:
        raise Failed(f"{colour} does not run")
    for url in urls:
        if ask(f"{url}/health/ready")[0] != 200:
            raise Failed(f"{url} is not ready")
    place.shift({colour: 100, other(colour): 0})
    say(f"{colour} is live")
    return DONE


def status(place: Place) -> None:
    """Print who has what share of the traffic, and where."""
    for colour, share in place.weights().items():
        print(f"{colour} {share} %: {' '.join(place.urls(colour)) or '-'}")


def _why(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _end(error: BaseException, code: int) -> int:
    """Return a code for what may happen; raise what should not."""
    if isinstance(error, Failed | KeyboardInterrupt):
        return code
    raise error


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--on", choices=("local", "kubernetes"), required=True)
    local = parser.add_argument_group("local")
    local.add_argument("--folder", type=Path, default=Path("instance/rollout"))
    local.add_argument("--ports", type=int, nargs=2, default=(8001, 8002))
    cluster = parser.add_argument_group("kubernetes")
    cluster.add_argument("--namespace", default="housing")
    cluster.add_argument("--traffic", choices=("service", "istio"), default="service")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("blue-green", "canary"):
        command = commands.add_parser(name)
        command.add_argument("release", help="a folder (local), or an image")
        command.add_argument(
            "--models", type=Path, default=ROOT / "model", help="your copy of them"
        )
        command.add_argument("--tolerance", type=float, default=1e-6)
        command.add_argument("--watch", type=float, default=60.0, help="seconds")
        command.add_argument("--max-errors", type=float, default=0.01, help="share")
        command.add_argument("--max-p95", type=float, default=0.5, help="seconds")
        command.add_argument("--least", type=int, default=100, help="requests")
        steps = (10, 50) if name == "canary" else ()
        command.add_argument(
            "--steps", type=int, nargs="*", default=steps, help="percent, before 100"
        )
    commands.add_parser("back").add_argument("colour", nargs="?", choices=COLOURS)
    commands.add_parser("upgrade").add_argument("colour", nargs="?", choices=COLOURS)
    commands.add_parser("start").add_argument("release")
    for name in ("retire", "status", "restart", "stop"):
        commands.add_parser(name)
    return parser.parse_args(arguments)


def _place(options: argparse.Namespace) -> Pools | Cluster:
    if options.on == "kubernetes":
        return Cluster(options.namespace, options.traffic)
    ports = dict(zip(COLOURS, options.ports, strict=True))
    return Pools(options.folder, ports, dict(os.environ))


def main(arguments: list[str]) -> int:
    """Run one command; return its exit code."""
    options = _options(arguments)
    place = _place(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled job, too
    try:
        return _run(options, place)
    except Failed as error:
        say(f"failed: {error}")
        return REFUSED
    finally:
        if isinstance(place, Cluster):
            place.close()


def _run(options: argparse.Namespace, place: Pools | Cluster) -> int:
    match options.command:
        case "blue-green" | "canary":
            limits = watch.Limits(
                options.watch, options.max_errors, options.max_p95, options.least
            )
            steps = (*options.steps, 100)
            models, tolerance = options.models, options.tolerance
            return release(place, options.release, models, limits, steps, tolerance)
        case "back":
            return back(place, options.colour)
        case "retire":
            place.retire(other(live(place)))
        case "status":
            status(place)
        case command:
            if isinstance(place, Cluster):
                raise Failed(f"{command}: Kubernetes does that itself")
            _run_local(options, place)
    return DONE


def _run_local(options: argparse.Namespace, place: Pools) -> None:
    match options.command:
        case "start":
            place.start(options.release)
        case "upgrade":
            place.upgrade(options.colour or live(place))
        case "restart":
            place.restart()
        case "stop":
            place.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
