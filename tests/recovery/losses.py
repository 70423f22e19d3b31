"""Losses of what holds no records, and the way back as docs/recovery.md has it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from account import LEAST, Client, Finding
from installation import MODELS, OTHER, Installation, Refused, tamper
from machines import Entrance, silence
from watching import Watch, until

FULL = "catboost-full-1"
# Drained twice a second; on a busy machine later.
DRAINED = 3.0


@dataclass
class Pace:
    """How much happens between two steps."""

    seconds: float = 8.0
    rate: float = 60.0
    answers: int = 500  # of each loss, at least

    def wait(self) -> None:
        """Let clients work for a while."""
        time.sleep(self.seconds)


class Drill:
    """One installation behind nginx, and the clients that go on asking."""

    def __init__(
        self,
        installation: Installation,
        entrance: Entrance,
        home: Any,
        pace: Pace,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.here, self.entrance, self.pace = installation, entrance, pace
        self._home, self._say = home, say
        self._began = time.monotonic()
        self.token = installation.flask(
            *("token", "issue", "--subject", "drill"),
            *("--scope", "predict", "--scope", "outcomes"),
        ).strip()

    @contextmanager
    def loss(self, what: str) -> Iterator[tuple[Finding, Client, Watch]]:
        """Let clients work, and watch the machines."""
        self._say(f"--- {what}")
        self._began = time.monotonic()
        client = Client(self.entrance.port, self.token, self._home, self.pace.rate)
        with Watch(self.here.machines) as watch, client:
            # Something that is sure to be in the database, before anything is lost.
            until(lambda: len(client.reported) > LEAST, "outcomes are reported", 60)
            time.sleep(DRAINED)
            self.pace.wait()
            yield Finding(what), client, watch

    def step(self, text: str) -> None:
        """Say what is done, and when."""
        self._say(f"{time.monotonic() - self._began:6.1f} s  {text}")


def machine(drill: Drill) -> Finding:
    """Lose a machine with its INSTANCE_DIR, without a word; make another one."""
    here = drill.here
    one = here.machines[0]
    with drill.loss("a machine with its INSTANCE_DIR") as (found, client, watch):
        lost_at = time.monotonic()
        one.lose()
        gone_at = time.monotonic()
        drill.step("gunicorn is killed, its folder deleted; its address is silent")
        with silence(one.port):
            found.noticed = watch.noticed(lost_at)
            drill.pace.wait()
            acting_at = time.monotonic()
            drill.entrance.point(*here.machines[1:])
            drill.step("nginx sends everything to the other one")
        one.start()
        drill.entrance.point(*here.machines)
        drill.step("a new machine has its models from the store, and its traffic")
        found.back = watch.recovered(acting_at)
        drill.pace.wait()
        found.count(
            client,
            here,
            loses=(lost_at - DRAINED, gone_at),
            fails=(lost_at, gone_at + 1),
            answers=drill.pace.answers,
        )
        found.promise = "what the machine had not drained: a second"
        slowest = max(client.load.seconds)
        drill.step(f"the slowest answer took {slowest:.1f} s")
        found.hold(slowest > 0.9, "nobody met its silence")
    return found


def redis(drill: Drill) -> Finding:
    """Lose Redis; another, empty one takes its place."""
    here = drill.here
    with drill.loss("Redis") as (found, client, watch):
        lost_at = time.monotonic()
        here.redis.kill()
        drill.step("Redis is killed")
        found.noticed = watch.noticed(lost_at)
        drill.step(f"/health says so after {found.noticed:.1f} s")
        drill.pace.wait()
        acting_at = time.monotonic()
        here.redis.start()
        drill.step("an empty one is there")
        found.back = watch.recovered(acting_at)
        drill.pace.wait()
        found.count(client, here, answers=drill.pace.answers)
        found.promise = "nothing"
    return found


def tampered_model(drill: Drill) -> Finding:
    """Publish a model of which a byte was changed in the store; go back."""
    here = drill.here
    with drill.loss("a tampered model in the store") as (found, client, watch):
        here.flask("store", "push", OTHER)
        tamper(here, f"{MODELS}/{OTHER}/price.txt")
        here.flask("model", "promote", OTHER, "--force", "--why", "the drill")
        here.flask("store", "push")
        lost_at = time.monotonic()
        drill.step(f"{OTHER} is published, and is not what its manifest says")
        found.noticed = watch.noticed(lost_at)
        drill.step(f"refused; /health says so after {found.noticed:.1f} s")
        found.hold(fails(here, "store", "check"), "`store check` finds nothing")
        drill.pace.wait()
        acting_at = time.monotonic()
        here.flask("model", "rollback", "--slot", "full", "--why", "the drill")
        here.flask("store", "push")
        found.back = watch.recovered(acting_at)
        drill.step("rolled back and published: all is ok")
        found.count(client, here, answers=drill.pace.answers // 2)
        answered = {name for *_, name in client.load.models}
        found.hold(answered == {FULL}, f"answers by {answered}")
        found.promise = "nothing"
    return found


def model_store(drill: Drill) -> Finding:
    """Lose the model store; start a machine without it; fill another one."""
    here = drill.here
    first, *others = here.machines
    with drill.loss("the model store") as (found, client, watch):
        lost_at = time.monotonic()
        here.s3.kill()
        drill.step("the object store is killed, and forgets everything")
        found.noticed = watch.noticed(lost_at)
        drill.step(f"/health says so after {found.noticed:.1f} s")
        drill.entrance.point(*others)
        first.stop()
        first.start()
        drill.entrance.point(*here.machines)
        drill.step("a machine was started again, from its last copy")
        drill.pace.wait()
        acting_at = time.monotonic()
        here.s3.start()
        here.flask("store", "push")
        drill.step("a new store has the models of MODEL_DIR")
        found.back = watch.recovered(acting_at)
        drill.step(f"all is ok: {found.back:.1f} s")
        found.count(client, here, answers=drill.pace.answers // 2)
        answered = {name for *_, name in client.load.models}
        found.hold(answered == {FULL}, f"answers by {answered}")
        found.promise = "nothing"
    return found


def fails(installation: Installation, *arguments: str) -> bool:
    """Say whether a command ends with another code than 0."""
    try:
        installation.flask(*arguments)
    except Refused:
        return True
    return False
