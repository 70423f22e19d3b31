"""Which clients an experiment gives to the challenger."""

import hashlib
from typing import NamedTuple

from housing_app.valuation import predictor
from housing_app.valuation.errors import NotReady
from housing_app.valuation.features import Slot
from housing_app.valuation.predictor import Predictor


class Choice(NamedTuple):
    """Hold the model that shall answer, and as what.

    experiment: the ids of champion and challenger where the client takes part in one.
    """

    model: Predictor
    variant: str  # champion or challenger
    experiment: str | None = None


def choose(slot: Slot, client: str | None) -> Choice:
    """Return the model for a client; None is a client that does not say who it is.

    A client keeps its model while the experiment lasts, in every worker and on every
    machine, and as the share grows. Those who say nothing get the champion and are no
    part of the experiment. Raises NotReady without a model.
    """
    roles, share = predictor.installed(slot)
    champion, challenger = roles.get("champion"), roles.get("challenger")
    if champion is None:
        raise NotReady(f"no model is loaded for slot {slot}")
    if challenger is None or client is None:
        return Choice(champion, "champion")
    experiment = f"{champion.manifest.id}/{challenger.manifest.id}"
    if position(slot, challenger.manifest.id, client) < share:
        return Choice(challenger, "challenger", experiment)
    return Choice(champion, "champion", experiment)


def hashed(client: str) -> str:
    """Return what the journal knows a client by."""
    return hashlib.sha256(client.encode()).hexdigest()[:16]


def position(slot: str, challenger: str, client: str) -> float:
    """Return a client's fixed place between 0 and 1, another in each experiment."""
    text = f"{slot}:{challenger}:{client}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
