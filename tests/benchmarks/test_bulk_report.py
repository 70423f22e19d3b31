"""The ways to value a file, and what of them is a goal."""

import report

RATES = {"model": 40_000, "csv, 1": 30_000, "csv, 2": 51_000, "parquet, 1": 20_000}
FIGURES = {"homes": 200_000, "few": 20_000, "workers": 2, "load": [0.5, 1, 1]}
FIGURES["cpu_us"] = {"csv": 25.0, "model": 20.0}


def test_every_way_is_held_against_the_model_alone():
    text = report.bulk(FIGURES | {"rates": RATES | {"posted": 9_000}})
    assert "| `flask score`, csv, workers: 2 | 51,000 | 1.27 |" in text
    assert "| posted to a server, 1,000 homes a request | 9,000 | 0.225 |" in text
    assert "| a worker, csv to csv | 25 | 0.8 |" in text
    assert "200,000 homes (20,000 posted, and of the script), machine load 0.5." in text


def test_goals_of_bulk_scoring_are_judged_and_those_missed_stay():
    text = report.goals({"bulk": FIGURES | {"rates": RATES}})
    assert "| bulk CSV, of the model's own batch rate | ≥ 0.7 | 0.75 | yes |" in text
    assert "| bulk Parquet, of the same | ≥ 0.7 | 0.5 | **no** |" in text
    assert "| bulk CSV on two cores, of one | ≥ 1.8 | 1.7 | **no** |" in text
