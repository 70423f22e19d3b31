"""MLflow: stores the model that `mlflow models serve` serves."""

import sys

import mlflow
import pandas as pd
from valuer import Valuer


class Homes(mlflow.pyfunc.PythonModel):
    def load_context(self, context: object) -> None:
        self.valuer = Valuer()

    def predict(self, context: object, model_input: pd.DataFrame) -> list[float]:
        return self.valuer.prices(model_input.to_dict("records"))


if __name__ == "__main__":
    mlflow.pyfunc.save_model(
        sys.argv[1], python_model=Homes(), pip_requirements=["mlflow"]
    )
