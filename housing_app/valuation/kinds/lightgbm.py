"""Gradient-boosted trees in LightGBM's own text format.

The library is called through its C interface: the `lightgbm` Python package imports
pandas and scikit-learn wherever they are installed (120 MiB and 2.5 s a process) and
its `Booster.predict` takes three times as long for one row. The trees are evaluated by
the same compiled code, so answers are LightGBM's to the last bit.
"""

import ctypes
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import FloatArray
from housing_app.valuation.kinds import PriceModel

FILES = ("price.txt",)
_FLOAT64, _ROW_MAJOR = 1, 1
_RAW, _CONTRIBUTIONS = 1, 3
_ALL_TREES = -1
# One thread a worker: processes already use every core, and for the few rows of a
# request starting OpenMP threads costs more than it saves.
_OPTIONS = b"num_threads=1 verbosity=-1"


@cache
def _library() -> ctypes.CDLL:
    found = find_spec("lightgbm")
    if found is None or not found.submodule_search_locations:
        raise ArtifactError("lightgbm is not installed: pip install lightgbm")
    folder = Path(found.submodule_search_locations[0])
    path = folder / "lib" / "lib_lightgbm.so"
    try:
        library = ctypes.CDLL(str(path if path.exists() else folder / path.name))
    except OSError as error:
        raise ArtifactError(
            f"LightGBM's library does not load ({error}): "
            "install the system's OpenMP runtime (Debian: libgomp1)"
        ) from error
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _call(name: str, *arguments: Any) -> None:
    library = _library()
    if getattr(library, name)(*arguments):
        raise ArtifactError(f"LightGBM: {library.LGBM_GetLastError().decode()}")


def _address(array: FloatArray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


class Trees(PriceModel):
    """Evaluate one LightGBM model."""

    def __init__(self, text: str, width: int) -> None:
        if "\nend of trees" not in text:
            # LightGBM's parser ends the whole process over a truncated model.
            raise ArtifactError("truncated: has no 'end of trees'")
        self._handle = ctypes.c_void_p()
        iterations, features = ctypes.c_int(), ctypes.c_int()
        _call(
            "LGBM_BoosterLoadModelFromString",
            text.encode(),
            ctypes.byref(iterations),
            ctypes.byref(self._handle),
        )
        _call("LGBM_BoosterGetNumFeature", self._handle, ctypes.byref(features))
        if features.value != width:
            raise ArtifactError(
                f"the trees take {features.value} features, the manifest names {width}"
            )
        self.trees = iterations.value
        self._width = width
        self._count = ctypes.c_int64()
        self._fast = ctypes.c_void_p()
        _call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            self._handle,
            _RAW,
            0,
            _ALL_TREES,
            _FLOAT64,
            width,
            _OPTIONS,
            ctypes.byref(self._fast),
        )

    def log_prices(self, rows: FloatArray) -> FloatArray:
        """Return the raw scores of the rows: log prices for a price model."""
        if len(rows) == 1:
            row = np.ascontiguousarray(rows)
            # Its own for each call: requests and the shadow may ask at once.
            result = np.empty(1)
            _call(
                "LGBM_BoosterPredictForMatSingleRowFast",
                self._fast,
                _address(row),
                ctypes.byref(self._count),
                _address(result),
            )
            return result
        return self._predict(rows, _RAW, 1)[:, 0]

    def contributions(self, rows: FloatArray) -> FloatArray:
        """Return exact TreeSHAP values, (n, features + 1); the last is the base."""
        return self._predict(rows, _CONTRIBUTIONS, self._width + 1)

    def _predict(self, rows: FloatArray, what: int, outputs: int) -> FloatArray:
        rows = np.ascontiguousarray(rows)
        result = np.empty((len(rows), outputs))
        _call(
            "LGBM_BoosterPredictForMat",
            self._handle,
            _address(rows),
            _FLOAT64,
            len(rows),
            self._width,
            _ROW_MAJOR,
            what,
            0,
            _ALL_TREES,
            _OPTIONS,
            ctypes.byref(self._count),
            _address(result),
        )
        return result

    def __del__(self) -> None:
        # A swapped-out model gives its memory back at once. As the interpreter ends,
        # which gives back all, the names of modules are gone.
        if _library is None:
            return
        if self.__dict__.get("_fast"):
            _library().LGBM_FastConfigFree(self._fast)
        if self.__dict__.get("_handle"):
            _library().LGBM_BoosterFree(self._handle)


def load(directory: Path, manifest: Mapping[str, Any]) -> Trees:
    """Read the trees of a verified artifact."""
    path = directory / FILES[0]
    try:
        return Trees(path.read_text("ascii"), len(manifest["features"]))
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
