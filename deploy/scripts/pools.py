"""Two pools of gunicorn behind nginx, on one machine.

Everything is in one folder: nginx's configuration, which also says who has what share
of the traffic, and for each colour a pid file, its output and its metrics.
"""

import os
import re
import shutil
import signal
import subprocess  # nosec B404
import sys
import time
from collections.abc import Callable
from pathlib import Path

from asking import Failed, ask
from processes import children, is_alive, read_pid

sys.path.append(str(Path(__file__).resolve().parents[1] / "nginx"))

import render

READY_SECONDS = 60.0
# More than a request may take (READ_TIMEOUT), so that none is cut off by a reload.
DRAIN_SECONDS = 45
_SERVER = re.compile(r"server 127\.0\.0\.1:(\d+) weight=(\d+) ")


class Pools:
    """A place for `rollout.py`; a release is a folder like the image's /app."""

    def __init__(
        self, folder: Path, ports: dict[str, int], environ: dict[str, str]
    ) -> None:
        self.folder = folder.resolve()
        self.ports = ports
        self._environ = environ
        self._conf = self.folder / "conf" / "nginx.conf"

    # --- what rollout.py asks for -----------------------------------------------------

    def weights(self) -> dict[str, int]:
        """Return each colour's share, as nginx has it."""
        if not self._conf.exists():
            raise Failed(f"nothing serves from {self.folder}: `start` it first")
        found = dict(_SERVER.findall(self._conf.read_text("utf-8")))
        return {c: int(found.get(str(port), 0)) for c, port in self.ports.items()}

    def deploy(self, colour: str, release: str) -> None:
        """Start gunicorn in a release's folder; return when it is ready."""
        if self._pid(colour):
            self.retire(colour)
        home, own = Path(release).resolve(), self.folder / colour
        shutil.rmtree(own, ignore_errors=True)
        (own / "metrics").mkdir(parents=True)
        gunicorn = home / ".venv" / "bin" / "gunicorn"
        if not gunicorn.exists():  # one environment for all releases
            gunicorn = Path(sys.executable).with_name("gunicorn")
        # The journal is one for both colours: what one leaves, the other drains.
        environ = {"INSTANCE_DIR": str(self.folder / "instance")} | self._environ
        environ |= {
            "BIND": f"127.0.0.1:{self.ports[colour]}",
            "PROMETHEUS_MULTIPROC_DIR": str(own / "metrics"),
            "TRUSTED_PROXIES": "1",
        }
        with (own / "output").open("ab") as output:
            process = subprocess.Popen(  # noqa: S603  # nosec B603
                [gunicorn, "--config", "gunicorn.conf.py", "--pid", own / "pid"],
                cwd=home,
                env=environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._until(lambda: self._is_ready(colour, process), READY_SECONDS, colour)

    def urls(self, colour: str) -> list[str]:
        """Return gunicorn's own address, if it runs."""
        return [self._url(colour)] if self._pid(colour) else []

    def shift(self, weights: dict[str, int]) -> None:
        """Have nginx divide the traffic; return when its old workers are done."""
        self._render(self._conf.parent, weights)
        master = read_pid(self.folder / "nginx.pid")
        if not master:
            raise Failed("nginx does not run")
        old = set(children(master))
        os.kill(master, signal.SIGHUP)
        # They hold the requests that are under way, and leave when those are answered.
        self._until(
            lambda: not old.intersection(children(master)), DRAIN_SECONDS + 10, "nginx"
        )

    def retire(self, colour: str) -> None:
        """End a pool. Gunicorn's TERM resets what waits for it: nothing may."""
        if self._conf.exists() and self.weights()[colour]:
            raise Failed(f"{colour} has traffic")
        if pid := self._pid(colour):
            os.kill(pid, signal.SIGTERM)
            self._until(lambda: not is_alive(pid), READY_SECONDS, colour)

    # --- what one machine needs besides -----------------------------------------------

    def start(self, release: str) -> None:
        """Start a first release, as blue, and nginx."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if read_pid(self.folder / "nginx.pid"):
            raise Failed("it runs already: `blue-green` changes the release")
        self.deploy("blue", release)
        self._render(self._conf.parent, {"blue": 100})
        with (self.folder / "nginx.log").open("ab") as output:
            subprocess.run(  # noqa: S603  # nosec B603
                self._nginx(self._conf), stdout=output, stderr=output, check=True
            )
        self._until(
            lambda: bool(read_pid(self.folder / "nginx.pid")), READY_SECONDS, "nginx"
        )

    def restart(self) -> None:
        """Start two pools anew, one at a time: the other has the traffic."""
        shares = self.weights()
        if not all(shares.values()):
            raise Failed(
                "a rolling restart needs two pools with traffic: see `upgrade`"
            )
        for colour, kept in zip(shares, reversed(shares), strict=True):
            home = os.readlink(f"/proc/{self._pid(colour)}/cwd")
            self.shift({kept: 100})
            self.deploy(colour, home)
        self.shift(shares)

    def upgrade(self, colour: str) -> None:
        """Have gunicorn start what is in its folder now, on the same socket (USR2)."""
        old = self._pid(colour)
        if not old:
            raise Failed(f"{colour} does not run")
        count = len(children(old))
        os.kill(old, signal.SIGUSR2)
        second = self.folder / colour / "pid.2"
        self._until(lambda: bool(read_pid(second)), READY_SECONDS, colour)
        new = read_pid(second)
        try:
            self._until(lambda: len(children(new)) >= count, READY_SECONDS, colour)
            self._until(lambda: self._answers(colour), READY_SECONDS, colour)
        except Failed:
            if is_alive(new):
                os.kill(new, signal.SIGTERM)
            raise
        # TERM, never QUIT: workers answer what they have. The new ones hold the socket,
        # so what waits in it is kept.
        os.kill(old, signal.SIGTERM)
        self._until(lambda: not is_alive(old), READY_SECONDS, colour)
        self._until(lambda: self._pid(colour) == new, READY_SECONDS, colour)

    def stop(self) -> None:
        """End nginx, when it has answered, and both pools."""
        if master := read_pid(self.folder / "nginx.pid"):
            os.kill(master, signal.SIGQUIT)
            self._until(lambda: not is_alive(master), DRAIN_SECONDS + 10, "nginx")
        self._conf.unlink(missing_ok=True)
        for colour in self.ports:
            self.retire(colour)

    # --- parts ------------------------------------------------------------------------

    def _url(self, colour: str) -> str:
        return f"http://127.0.0.1:{self.ports[colour]}"

    def _pid(self, colour: str) -> int:
        return read_pid(self.folder / colour / "pid")

    def _is_ready(self, colour: str, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            output = (self.folder / colour / "output").read_text("utf-8").strip()
            raise Failed(f"{colour} ended: {output.rpartition(chr(10))[2]}")
        return bool(self._pid(colour)) and self._answers(colour)

    def _answers(self, colour: str) -> bool:
        try:
            return ask(f"{self._url(colour)}/health/ready")[0] == 200
        except Failed:
            return False

    def _until(self, is_true: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > deadline:
                raise Failed(f"{what} is not ready after {seconds:g} s")
            time.sleep(0.05)

    def _nginx(self, conf: Path, *more: str) -> list[str]:
        # Debian keeps it where users do not look.
        path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
        nginx = shutil.which("nginx", path=path)
        if not nginx:
            raise Failed("nginx is not installed")
        directives = f"worker_shutdown_timeout {DRAIN_SECONDS}s;"
        return [nginx, "-e", "stderr", "-c", str(conf), "-g", directives, *more]

    def _render(self, directory: Path, weights: dict[str, int]) -> None:
        """Write nginx's configuration, once nginx has said that it is in order."""
        shares = {c: share for c, share in weights.items() if share}
        # By weight, few connections would be divided by chance alone.
        is_even = len(set(shares.values())) == 1
        variables = self._environ | {
            "UPSTREAMS": " ".join(
                f"127.0.0.1:{self.ports[c]}={share}" for c, share in shares.items()
            ),
            "BALANCE": "least_conn" if is_even else "random",
            "RUN_DIR": str(self.folder),
        }
        draft = self.folder / "conf-draft"
        try:
            for each in (draft, directory):
                each.mkdir(parents=True, exist_ok=True)
                conf = render.render(each, variables)
                if each == draft:
                    self._test(conf)
        except ValueError as error:
            raise Failed(str(error)) from error

    def _test(self, conf: Path) -> None:
        done = subprocess.run(  # noqa: S603  # nosec B603
            self._nginx(conf, "-t"), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Failed(f"nginx refuses its configuration: {done.stderr.strip()}")
