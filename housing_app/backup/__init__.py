"""Backups of journal, outcomes, demographics and models, in one file."""

from housing_app.backup.archive import Archive, BackupError
from housing_app.backup.create import create
from housing_app.backup.places import Places
from housing_app.backup.restore import restore
from housing_app.backup.verify import verify

__all__ = ["Archive", "BackupError", "Places", "create", "restore", "verify"]
