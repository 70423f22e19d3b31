"""Lose each part of a whole installation under load, and bring it back.

    make recovery-drill

Real parts on this machine: nginx, gunicorn, PostgreSQL, Redis, an S3. Says what is done
and how long it took, writes the table of docs/recovery.md anew (unless --no-markdown), and
ends with 1 if more was lost, or more requests failed, than that document promises.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]

import data_losses  # noqa: E402
import losses  # noqa: E402
from account import Finding  # noqa: E402
from installation import POLL, Installation, new_secret  # noqa: E402
from losses import Drill, Pace  # noqa: E402
from machines import Entrance  # noqa: E402

DOCUMENT = ROOT / "docs" / "recovery.md"
BEGIN, END = "<!-- begin drill -->\n", "<!-- end drill -->"
HOME = json.loads((ROOT / "examples" / "home.json").read_text("utf-8"))
Say = Callable[[str], None]
IN_ONE = (
    data_losses.database,
    losses.machine,
    losses.redis,
    losses.tampered_model,
    losses.model_store,
    data_losses.migration,
    data_losses.migration_with_restarts,
)


@contextmanager
def installed(pace: Pace, say: Say, poll: int = POLL) -> Iterator[Drill]:
    """Start an installation behind its entrance."""
    here = Installation(new_secret(), poll=poll)
    entrance = Entrance(here.machines)
    try:
        here.start()
        entrance.start()
        yield Drill(here, entrance, HOME, pace, say)
    finally:
        entrance.remove()
        here.remove()


@contextmanager
def standby(drill: Drill) -> Iterator[Installation]:
    """Start the stores of another region; its machine comes with the data."""
    other = Installation(drill.here.secret, machines=1, poll=drill.here.poll)
    try:
        for server in (other.postgres, other.redis, other.s3):
            server.start()
        yield other
    finally:
        other.remove()


def run(pace: Pace, say: Say) -> list[Finding]:
    """Go through all losses; return what each cost."""
    findings = []
    with installed(pace, say) as drill:
        for lose in IN_ONE:
            findings.append(told(lose(drill), say))
        with standby(drill) as other:
            findings.append(told(data_losses.region(drill, other), say))
    return findings


def told(found: Finding, say: Say) -> Finding:
    """Say what a loss cost."""
    say(
        f"=> {found.requests:,} requests, {found.failed:,} failed; "
        f"{found.lost:,} of {found.acknowledged:,} records lost, "
        f"{found.outcomes_lost} of {found.reported} outcomes\n"
    )
    for fault in found.faults:
        say(f"BROKEN: {fault}")
    return found


def table(findings: list[Finding]) -> str:
    """Return the table of docs/recovery.md."""
    head = (
        "| Lost | Noticed after | Way back | Longest without an answer | Requests "
        "| Failed | Records lost | Outcomes lost | What may be lost |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n"
    )
    return head + "".join(row(found) for found in findings)


def row(found: Finding) -> str:
    """Return a row of it."""
    noticed = "–" if found.noticed is None else f"{found.noticed:.1f} s"
    return (
        f"| {found.loss} | {noticed} | {found.back:.1f} s | {found.gap:.1f} s "
        f"| {found.requests:,} | {found.failed:,} "
        f"| {found.lost:,} of {found.acknowledged:,} "
        f"| {found.outcomes_lost} of {found.reported} | {found.promise} |\n"
    )


def conditions(pace: Pace, load: str) -> str:
    """Return the line that says how the table was made."""
    commit = subprocess.check_output(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True
    ).strip()
    return (
        f"`make recovery-drill`, {datetime.now(UTC):%Y-%m-%d}, commit {commit}, "
        f"{os.cpu_count()} cores, load {load} at the start and {os.getloadavg()[0]:.1f} at "
        f"the end; {pace.rate:.0f} valuations "
        f"and 5 outcomes a second, {pace.seconds:.0f} s between steps.\n\n"
    )


def write(text: str) -> None:
    """Put a new table into docs/recovery.md."""
    old = DOCUMENT.read_text("utf-8")
    before, _, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"{DOCUMENT}: has no place for the table")
    DOCUMENT.write_text(f"{before}{BEGIN}{text}{end}{after}", "utf-8")


def main() -> int:
    """Read the options and run the drill; return an exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=Pace.seconds)
    parser.add_argument("--no-markdown", action="store_true")
    options = parser.parse_args()
    pace = Pace(options.seconds)
    load = f"{os.getloadavg()[0]:.1f}"
    findings = run(pace, lambda text: print(text, flush=True))
    text = table(findings)
    print(text)
    broken = [found.loss for found in findings if found.faults]
    if broken:
        print(f"BROKEN: {'; '.join(broken)}")
        return 1
    if not options.no_markdown:
        write(conditions(pace, load) + text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
