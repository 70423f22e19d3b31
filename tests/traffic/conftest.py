"""Who changes what serves."""

from datetime import UTC, datetime, timedelta

import pytest

from housing_app.registry.changes import Author


@pytest.fixture
def author():
    """Make authors, each a second after the last."""
    count = iter(range(1_000))
    began = datetime.now(UTC)
    return lambda: Author("ann", "a test", began + timedelta(seconds=next(count)))
