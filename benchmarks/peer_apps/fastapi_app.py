"""FastAPI + pandas + scikit-learn: the reference design."""

from typing import Any

from fastapi import FastAPI
from valuer import Valuer, answer

app = FastAPI()
valuer = Valuer()


@app.post("/predict")
def predict(payload: dict[str, Any]) -> dict[str, Any]:
    return answer(valuer, payload)
