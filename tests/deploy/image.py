"""The image without Docker: the Dockerfile's own steps, run in a root of their own.

This system's /usr, /etc and Python stand in for the base image, read-only. Everything
else is empty at first, so a file that no step makes is missing as it would be in the
image. `apt-get` alone is not run: the system is not ours to change.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

# What a base image has. Links (/bin -> usr/bin) are made anew.
SYSTEM = ("usr", "bin", "sbin", "lib", "lib64", "etc")
PYTHON = Path(sys.base_prefix).resolve()
# How packages are reached from here, and what numpy must know of this processor.
KEPT = re.compile(r"PIP_|SSL_|OPENBLAS_|https?_proxy|no_proxy", re.IGNORECASE)
BESIDE = "run/python"
SECONDS = 280


class Step(NamedTuple):
    """Name one instruction of the file and what follows it."""

    name: str
    text: str


def parse(text: str) -> list[Step]:
    """Return the instructions, comments left out and continued lines joined."""
    lines = [x for x in text.splitlines() if not x.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    parts = (line.strip().partition(" ") for line in joined if line.strip())
    return [Step(name, rest.strip()) for name, _, rest in parts]


@dataclass
class Stage:
    """Keep what the steps since a FROM have made and set."""

    root: Path
    environ: dict[str, str]
    workdir: str = "/"
    user: str = "0:0"
    volumes: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def place(self, path: str) -> Path:
        """Return where a path of the image is on this machine."""
        return self.root / os.path.normpath(os.path.join("/", self.workdir, path))[1:]

    def within(self, words: Sequence[str], *, read_only: bool = False) -> list[str]:
        """Return the command that runs words inside, in mounts of its own."""
        user = f"--userspec={self.user}"
        last = f'exec chroot {user} {self.root} sh -c \'cd "$1"; shift; exec "$@"\''
        script = "\n".join([*self._mounts(read_only), f'{last} sh {self.workdir} "$@"'])
        return [*("unshare", "--mount", "bash", "-euc", script, "bash"), *words]

    def _mounts(self, read_only: bool) -> Iterator[str]:
        yield f"mount --bind {self.root} {self.root}"
        for source in [Path("/") / name for name in SYSTEM] + [PYTHON]:
            inside = f"{self.root}{source}"
            if source.is_symlink():
                yield f"ln -sfn {os.readlink(source)} {inside}"
            elif source.is_dir():
                yield f"mkdir -p {inside}; mount -o bind,ro {source} {inside}"
        for name in ("dev", "proc"):
            yield f"mkdir -p {self.root}/{name}; mount --rbind /{name} {self.root}/{name}"
        yield f"mkdir -p {self.root}/tmp"
        if read_only:
            for name in ("tmp", "dev/shm"):
                yield f"mount -t tmpfs -o mode=1777,size=64m tmpfs {self.root}/{name}"
            for path in self.volumes:
                yield f"mount --bind {self.root}{path} {self.root}{path}"
            yield f"mount -o remount,bind,ro {self.root}"


def build(repository: Path, folder: Path) -> Stage:
    """Take every step of the Dockerfile and return its last stage."""
    stages: dict[str, Stage] = {}
    arguments: dict[str, str] = {}
    stage = Stage(folder, {})
    ignored = (repository / ".dockerignore").read_text("utf-8").splitlines()
    for step in parse((repository / "Dockerfile").read_text("utf-8")):
        if step.name == "ARG":
            name, _, default = step.text.partition("=")
            arguments[name] = default
        elif step.name == "FROM":
            name = step.text.partition(" AS ")[2] or "last"
            stage = stages[name] = Stage(folder / name, _base_environ())
            _give_python(stage.root)
        elif step.name == "COPY":
            _copy(step.text, stage, stages, repository, ignored)
        else:
            _STEPS[step.name](stage, step.text)
    return stage


def _give_python(root: Path) -> None:
    """Call it `python`, as the base image does and not every system."""
    (root / BESIDE).mkdir(parents=True)
    (root / BESIDE / "python").symlink_to(PYTHON / "bin" / "python3")


def _base_environ() -> dict[str, str]:
    path = f"/{BESIDE}:{PYTHON}/bin:/usr/sbin:/usr/bin:/bin"
    kept = {name: text for name, text in os.environ.items() if KEPT.match(name)}
    return kept | {"PATH": path, "HOME": "/tmp"}


def _copy(
    text: str,
    stage: Stage,
    stages: dict[str, Stage],
    repository: Path,
    ignored: list[str],
) -> None:
    *sources, target = text.split()
    place = stage.place(target)
    if sources[0].startswith("--from="):
        origin = stages[sources.pop(0).partition("=")[2]]
        for source in sources:
            # As root, links as links: what `cp` does and shutil does not quite.
            subprocess.run(["mkdir", "-p", str(place.parent)], check=True)
            subprocess.run(["cp", "-a", str(origin.place(source)), place], check=True)
        return
    for source in sources:
        allowed = any(source == x[1:] for x in ignored if x.startswith("!"))
        assert allowed, f".dockerignore keeps {source} from the build"
        path = repository / source
        if path.is_dir():
            hidden = [x.removeprefix("**/") for x in ignored if x.startswith("**/")]
            skip = shutil.ignore_patterns(*hidden)
            shutil.copytree(path, place, ignore=skip, dirs_exist_ok=True)
        else:
            where = place / path.name if target.endswith(("/", ".")) else place
            where.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, where)


def _run(stage: Stage, text: str) -> None:
    if text.startswith("apt-get "):
        stage.left_out.append(text)
        return
    done = subprocess.run(
        stage.within(["sh", "-c", text]),
        env=stage.environ,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"RUN {text}\n{(done.stdout + done.stderr)[-3000:]}"


def _workdir(stage: Stage, text: str) -> None:
    stage.place(text).mkdir(parents=True, exist_ok=True)
    stage.workdir = text


def _env(stage: Stage, text: str) -> None:
    for name, value in re.findall(r"(\w+)=(\S+)", text):
        stage.environ[name] = value.replace("$PATH", stage.environ["PATH"])


def _health(stage: Stage, text: str) -> None:
    stage.health = json.loads(text[text.index("[") :])


def _command(stage: Stage, text: str) -> None:
    stage.command = json.loads(text)


def _user(stage: Stage, text: str) -> None:
    stage.user = text


def _volume(stage: Stage, text: str) -> None:
    stage.volumes.append(text)


_STEPS = {
    "RUN": _run,
    "WORKDIR": _workdir,
    "ENV": _env,
    "HEALTHCHECK": _health,
    "CMD": _command,
    "USER": _user,
    "VOLUME": _volume,
    "EXPOSE": lambda stage, text: None,
}
