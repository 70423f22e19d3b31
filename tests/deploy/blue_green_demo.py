"""Good and bad releases, rolled out by blue-green and canary under load.

    make blue-green-demo

Two real pools of gunicorn behind a real nginx, in a temporary folder, driven by
deploy/scripts as an operator would. Ends with 1 if a step did not end as it should, or
a request failed that a release had not failed itself.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import releases  # noqa: E402
from load import Load  # noqa: E402

HOME = json.loads((ROOT / "examples" / "home.json").read_text("utf-8"))
RATE = 200.0
WATCH = ("--watch", "5", "--max-p95", "0.025")
DONE, REFUSED, ROLLED_BACK = 0, 1, 2


class Demo:
    """Run commands under load, and hold them to how they should end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_good = True
        self._ports = [free_port() for _ in range(3)]
        ours = {
            "HTTP_LISTEN": f"127.0.0.1:{self._ports[2]}",
            "ACCESS_LOG": str(folder / "access.log"),
            "AUTH": "off",
            "RATE_LIMIT": "off",
            "RATE": "100000r/s",
            "ROLLOUT": f"--folder {folder / 'run'} --ports {self._ports[0]} "
            f"{self._ports[1]}",
        }
        self._environ = os.environ | ours

    def run(self, *command: str) -> int:
        """Run a command of deploy/scripts; return its code."""
        shown = " ".join(command).replace(f"{self.folder}/", "")
        print(f"$ {shown}", flush=True)
        done = subprocess.run(
            command, cwd=ROOT, env=self._environ, check=False, capture_output=True
        )
        text = (done.stdout + done.stderr).decode().replace(f"{self.folder}/", "")
        print(text, end="", flush=True)
        return done.returncode

    def rollout(self, *arguments: str) -> int:
        """Run one of the commands that have no script of their own."""
        options = self._environ["ROLLOUT"].split()
        script = "deploy/scripts/rollout.py"
        command = [sys.executable, script, "--on", "local", *options, *arguments]
        return self.run(*command)

    def step(
        self, title: str, wanted: int, command: list[str], *, may_fail: bool
    ) -> None:
        """Run a script under load; see how it ends, and what clients got."""
        print(f"\n--- {title}", flush=True)
        with Load(self._ports[2], HOME, rate=RATE, threads=4) as load:
            load.wait_for(100)
            script, *rest = command
            if script.endswith(".sh"):
                code = self.run(f"deploy/scripts/{script}", "local", *rest)
            else:
                code = self.rollout(*command)
            load.wait_for(max(100, 2_000 - load.count))
        errors = load.errors()
        is_good = code == wanted and (not errors or (may_fail and set(errors) == {500}))
        self.is_good &= is_good
        print(
            f"=> exit code {code}; {load.count} requests, {_text(errors)}; "
            f"{'as it should be' if is_good else 'NOT AS IT SHOULD BE'}",
            flush=True,
        )


def switch(folder: Path) -> list[str]:
    """Return the command of a release by blue-green."""
    return ["blue_green.sh", str(folder), *WATCH]


def canary(folder: Path) -> list[str]:
    """Return the command of a release as a canary."""
    return ["canary.sh", str(folder), *WATCH, "--least", "50"]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _text(errors: Counter[object]) -> str:
    if not errors:
        return "0 failed"
    return ", ".join(f"{count} answered {kind}" for kind, count in errors.items())


def main() -> int:
    """Run all steps; return an exit code."""
    with tempfile.TemporaryDirectory(prefix="housing-demo-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)  # nginx's workers, where root started it
        first = releases.good(folder / "release-1")
        second = releases.good(folder / "release-2")
        wrong = releases.wrong(folder / "release-wrong")
        failing = releases.failing(folder / "release-failing")
        slow = releases.slow(folder / "release-slow")
        demo = Demo(folder)
        try:
            print("--- a first release")
            demo.is_good &= demo.rollout("start", str(first)) == DONE
            for title, wanted, may_fail, command in (
                ("a good release", DONE, False, switch(second)),
                ("back to the one before", DONE, False, ["back"]),
                ("wrong prices", REFUSED, False, switch(wrong)),
                ("a bug that shows late", ROLLED_BACK, True, switch(failing)),
                ("slow after a while", ROLLED_BACK, False, switch(slow)),
                ("a bug, as a canary", ROLLED_BACK, True, canary(failing)),
                ("a good canary", DONE, False, canary(second)),
            ):
                demo.step(title, wanted, command, may_fail=may_fail)
            print("\n--- the end")
            demo.rollout("status")
        finally:
            demo.rollout("stop")
    return 0 if demo.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
