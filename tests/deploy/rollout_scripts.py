"""deploy/scripts' modules, which are no package."""

import sys

from housing_app.config import ROOT

FOLDER = ROOT / "deploy" / "scripts"
sys.path.append(str(FOLDER))

import asking  # noqa: E402
import cluster  # noqa: E402
import golden  # noqa: E402
import pools  # noqa: E402
import processes  # noqa: E402
import rollout  # noqa: E402
import watch  # noqa: E402

__all__ = ["asking", "cluster", "golden", "pools", "processes", "rollout", "watch"]
