"""The programs in benchmarks/ find each other in their own folder."""

import sys

from housing_app.config import ROOT

# Last: tests have modules of the same names.
sys.path.append(str(ROOT / "benchmarks"))
