"""Draw passwords and keys, and write them into env files.

`python deploy/env.py DIRECTORY` writes api.env, postgres.env and grafana.env, readable
by their owner alone, for compose.yaml (DIRECTORY is deploy/env there). Nothing is
overwritten.
"""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

DATABASE = "housing"


def files() -> Mapping[str, Mapping[str, str]]:
    """Return each file's variables; both sides of a password are made together."""
    password = secrets.token_urlsafe(32)
    return {
        "api.env": {
            "JWT_SECRET": secrets.token_urlsafe(48),
            "DATABASE_URL": (
                f"postgresql://{DATABASE}:{password}@postgres:5432/{DATABASE}"
            ),
            "REDIS_URL": "redis://redis:6379/0",
        },
        "postgres.env": {
            "POSTGRES_USER": DATABASE,
            "POSTGRES_DB": DATABASE,
            "POSTGRES_PASSWORD": password,
        },
        "grafana.env": {"GF_SECURITY_ADMIN_PASSWORD": secrets.token_urlsafe(24)},
    }


def write(directory: Path) -> list[Path]:
    """Write every file, or none where one is there already."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = []
    if there := [name for name in files() if (directory / name).exists()]:
        raise FileExistsError(f"{', '.join(there)}: exists; nothing was written")
    for name, variables in files().items():
        text = "".join(f"{key}={value}\n" for key, value in variables.items())
        path = directory / name
        mode = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(mode, "w", encoding="utf-8") as file:
            file.write(text)
        written.append(path)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip() if __doc__ else None)
    try:
        for path in write(Path(sys.argv[1])):
            print(path)
    except OSError as error:
        sys.exit(f"env.py: {error}")
