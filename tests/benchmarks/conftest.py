"""The programs in benchmarks/ find each other in their own folder."""

import sys

from housing_app.config import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
