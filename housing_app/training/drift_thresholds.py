"""From when on drift matters: the one table, and how sure a report has to be."""

from typing import NamedTuple

LEAST_HOMES = 200  # fewer say nothing of a distribution
LEAST_OUTCOMES = 100  # fewer say nothing of accuracy
# The chance that a report without any drift warns, at most; shared by its checks.
FALSE_ALARMS = 0.01
QUIET, WARNING, ALARM, TOO_FEW = "quiet", "warning", "alarm", "too few"


class Threshold(NamedTuple):
    """Say from what move on a check warns, and from what on it alarms."""

    check: str
    moved: str  # what is compared with the two
    warning: float
    alarm: float
    why: str


THRESHOLDS = {
    one.check: one
    for one in (
        Threshold("psi", "PSI, less what chance gives so few homes", 0.10, 0.25,
                  "the convention of credit scoring: below 0.1 stable, above 0.25 "
                  "another population"),
        Threshold("ks", "greatest difference of the cumulative shares", 0.10, 0.20,
                  "a tenth, a fifth of the homes lie elsewhere; finds a shift that "
                  "goes one way sooner than PSI"),
        Threshold("missing", "rise of the share of homes without the field",
                  0.05, 0.15,
                  "unknown fields widen ranges; a jump is a client or a form that "
                  "stopped sending one"),
        Threshold("unseen", "rise of the share of homes in zipcodes not learned from",
                  0.02, 0.10,
                  "such valuations are graded low: the model knows nothing of the "
                  "place"),
        Threshold("warnings", "rise of the share of answers with a warning",
                  0.10, 0.25,
                  "one answer in ten, or one in four, more is doubted by the "
                  "service itself"),
        Threshold("mdape", "rise of the median error, relative to the manifest's",
                  0.25, 0.50,
                  "a quarter more is what the minimal model loses against the full "
                  "one; half more is what the baseline does"),
        Threshold("ppe10", "fall of the share valued within 10 %", 0.08, 0.16,
                  "half of, and all of, the way from the champion to the baseline"),
        Threshold("bias", "change of the median error, either way", 0.03, 0.06,
                  "a market moves about as much in half a year, and in a year"),
        Threshold("coverage", "fall of the share of prices inside the 90 % ranges",
                  0.04, 0.08,
                  "one price in seven, in five or six outside, where one in ten is "
                  "promised"),
    )
}  # fmt: skip
