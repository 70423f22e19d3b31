"""What ends a run of bulk scoring."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from housing_app.valuation.errors import ValuationError


class BatchError(ValuationError):
    """End a run; the text is one line that says what to do."""


@contextmanager
def named(path: Path | str | None) -> Iterator[None]:
    """Have errors name the file they are about; without a path it is stdin."""
    name = str(path or "stdin")
    try:
        yield
    except BatchError as error:
        text = str(error)
        raise BatchError(text if name in text else f"{name}: {text}") from error
    except OSError as error:
        if error.filename is None:
            error.filename = name
        raise
