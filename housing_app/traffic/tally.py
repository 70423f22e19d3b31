"""How each model fares in this worker, and when that is too bad to go on with it."""

from time import monotonic

_SECONDS = 60.0  # what is older counts no more
_ERRORS, _ERROR_SHARE = 5, 0.02
_TIMED = 50  # single homes, before their mean says anything


class Tally:
    """Count the requests a model was asked, in windows of a minute."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.requests = self.errors = self.singles = 0
        self.seconds = 0.0  # for requests of a single home
        self._since = monotonic()

    def answered(self, homes: int, seconds: float) -> None:
        """Count an answer."""
        self.requests += 1
        if homes == 1:
            self.singles += 1
            self.seconds += seconds

    def failed(self) -> None:
        """Count a request on which the model raised."""
        self.requests += 1
        self.errors += 1

    def trouble(self, milliseconds: float) -> str | None:
        """Say what is too bad: too many errors, or a home takes longer than allowed."""
        if self.errors >= _ERRORS and self.errors > _ERROR_SHARE * self.requests:
            return f"it failed on {self.errors} of {self.requests} requests"
        if self.singles >= _TIMED:
            mean = 1000 * self.seconds / self.singles
            if mean > milliseconds:
                return f"a home takes {mean:.3g} ms, and {milliseconds:.3g} are allowed"
        if monotonic() - self._since > _SECONDS:
            self._begin()
        return None


_tallies: dict[str, Tally] = {}


def of(artifact: str) -> Tally:
    """Return the tally of a model."""
    found = _tallies.get(artifact)
    if found is None:
        found = _tallies[artifact] = Tally()
    return found


def reset(artifact: str) -> None:
    """Forget how a model fared: it begins anew."""
    _tallies.pop(artifact, None)
