"""A journal of its own for each test."""

import pytest

from housing_app.journal.spool import Spool


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool", 1_000_000)
