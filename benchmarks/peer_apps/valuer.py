"""The model behind every peer, as the reference design has it.

A DataFrame of the request, joined to the demographics by pandas, into scikit-learn's
`make_pipeline(RobustScaler(), KNeighborsRegressor())` on 7 fields and the
demographics; or the same rows into a LightGBM model of our own artifact's text file.
`python valuer.py train FOLDER SALES.csv|synthetic DEMOGRAPHICS.csv PRICE.txt` fits and
stores the models with the libraries of this environment: pickles do not travel.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FIELDS = [
    "bedrooms",
    "bathrooms",
    "sqft_living",
    "sqft_lot",
    "floors",
    "sqft_above",
    "sqft_basement",
]
_SALES = 20_000


class Valuer:
    """Value homes with the models of a folder."""

    def __init__(self, folder: str = "", kind: str = "") -> None:
        where = Path(folder or os.environ["PEER_MODELS"])
        self.kind = kind or os.environ.get("PEER_KIND", "knn")
        text = {"zipcode": str}
        self.demographics = pd.read_csv(where / "demographics.csv", dtype=text)
        if self.kind == "knn":
            import joblib

            self.model = joblib.load(where / "knn.joblib")
        else:
            import lightgbm

            self.model = lightgbm.Booster(model_file=str(where / "price.txt"))
            self.width = self.model.num_feature()

    def prices(self, records: list[dict[str, Any]]) -> list[float]:
        """Return the prices of homes."""
        homes = pd.DataFrame(records)[[*FIELDS, "zipcode"]]
        joined = homes.merge(self.demographics, how="left", on="zipcode")
        rows = joined.drop(columns="zipcode")
        if self.kind == "knn":
            return self.model.predict(rows).tolist()
        # The trees want more columns than the join has: the cost is that of the trees.
        table = np.zeros((len(rows), self.width))
        table[:, : rows.shape[1]] = rows.to_numpy()[:, : self.width]
        return np.exp(self.model.predict(table, num_threads=1)).tolist()


def answer(valuer: Valuer, payload: Any) -> dict[str, Any]:
    """Return what a peer answers to a home, or to {"records": [home, …]}."""
    records = payload.get("records", [payload])
    return {"predictions": [{"price": price} for price in valuer.prices(records)]}


def _columns(demographics: pd.DataFrame) -> list[str]:
    numbers = [c for c in demographics if c != "zipcode"]
    full = [c for c in numbers if demographics[c].notna().all()]
    return (full or numbers)[:26]


def _synthetic(zipcodes: list[str]) -> pd.DataFrame:
    """Return sales as many as the county's, of no particular sense."""
    rng = np.random.default_rng(0)
    living = rng.lognormal(7.5, 0.4, _SALES).round()
    basement = (living * rng.choice([0, 0, 0.3], _SALES)).round()
    return pd.DataFrame(
        {
            "bedrooms": rng.integers(1, 6, _SALES),
            "bathrooms": rng.integers(4, 16, _SALES) / 4,
            "sqft_living": living,
            "sqft_lot": rng.lognormal(9, 0.8, _SALES).round(),
            "floors": rng.choice([1.0, 1.5, 2.0], _SALES),
            "sqft_above": living - basement,
            "sqft_basement": basement,
            "zipcode": rng.choice(zipcodes, _SALES),
            "price": living * rng.lognormal(5.5, 0.3, _SALES),
        }
    )


def train(folder: Path, sales: str, demographics: Path, trees: Path) -> None:
    """Fit the KNN and put all that the servers need into a folder."""
    import joblib
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import RobustScaler

    folder.mkdir(parents=True, exist_ok=True)
    people = pd.read_csv(demographics, dtype={"zipcode": str})
    people = people[["zipcode", *_columns(people)]].fillna(0)
    if sales == "synthetic":
        near = [z for z in people["zipcode"] if z.startswith(("980", "981"))]
        table = _synthetic(near)
    else:
        table = pd.read_csv(sales, dtype={"zipcode": str})
    # As the reference has them: of the zipcodes that were learned from.
    people = people[people["zipcode"].isin(table["zipcode"])]
    people.to_csv(folder / "demographics.csv", index=False)
    rows = table[[*FIELDS, "zipcode"]].merge(people, how="left", on="zipcode")
    rows = rows.drop(columns="zipcode").fillna(0)
    model = make_pipeline(RobustScaler(), KNeighborsRegressor())
    model.fit(rows, table["price"])
    joblib.dump(model, folder / "knn.joblib")
    (folder / "price.txt").write_text(trees.read_text())
    about = {"sales": sales if sales == "synthetic" else "given", "rows": len(table)}
    (folder / "about.json").write_text(json.dumps(about))


if __name__ == "__main__":
    _, _, where, what, people, trees = sys.argv
    train(Path(where), what, Path(people), Path(trees))
