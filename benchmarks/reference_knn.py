"""Judge the reference pipeline on the sales our models are judged on; print JSON.

    python benchmarks/reference_knn.py --sales FILE --demographics FILE --columns FILE

The reference is scikit-learn's `make_pipeline(RobustScaler(), KNeighborsRegressor())`
on 33 columns, fitted on the sales before the cut and asked for those after it. The
inputs are joined here as the reference does it, by pandas, and not by housing_app;
only the measures are ours. Nothing is written.
"""

import argparse
import hashlib
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from housing_app.valuation import ratios


def judge(
    sales: Path, demographics: Path, columns: list[str], cut: str
) -> dict[str, Any]:
    """Return the figures of the pipeline on the sales from `cut` on."""
    text = {"date": str, "zipcode": str}
    homes = pd.read_csv(sales, dtype=text)
    table = homes.merge(
        pd.read_csv(demographics, dtype=text), how="left", on="zipcode", validate="m:1"
    )
    later = pd.to_datetime(table["date"].str[:8]) >= pd.Timestamp(cut)
    model = make_pipeline(RobustScaler(), KNeighborsRegressor())
    model.fit(table.loc[~later, columns], table.loc[~later, "price"])
    predicted = model.predict(table.loc[later, columns])
    price = table.loc[later, "price"].to_numpy(float)
    days = pd.to_datetime(table.loc[later, "date"].str[:8]).dt.date
    return {
        "cut": cut,
        "train_rows": int((~later).sum()),
        "from": days.min().isoformat(),
        "to": days.max().isoformat(),
        "overall": ratios.accuracy(price, predicted),
        "sales_sha256": hashlib.sha256(sales.read_bytes()).hexdigest(),
        "scikit-learn": metadata.version("scikit-learn"),
    }


def main() -> None:
    """Read the options and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sales", type=Path, required=True)
    parser.add_argument("--demographics", type=Path, required=True)
    parser.add_argument(
        "--columns", type=Path, required=True, help="JSON list of the columns, in order"
    )
    parser.add_argument("--cut", default="2015-02-01", help="judge sales from this day")
    options = parser.parse_args()
    columns = json.loads(options.columns.read_text("utf-8"))
    found = judge(options.sales, options.demographics, columns, options.cut)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
