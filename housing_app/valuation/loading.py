"""Load models: verify an artifact, make its model ready, fill the slots."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from housing_app.valuation import artifacts, comparables, golden, intervals
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import FloatArray, Homes
from housing_app.valuation.kinds import catboost, knn, lightgbm, sklearn
from housing_app.valuation.predictor import Predictor
from housing_app.valuation.surfaces import Surfaces

KINDS = {"catboost": catboost, "knn": knn, "lightgbm": lightgbm, "sklearn": sklearn}


def load(directory: Path) -> Predictor:
    """Verify an artifact and make it ready; raise ArtifactError for anything off."""
    manifest = artifacts.read_manifest(directory)
    artifacts.verify_files(directory, manifest)
    predictor = assemble(directory, manifest)
    golden.check(predictor.answers, manifest, str(directory))
    return predictor


def assemble(directory: Path, manifest: Manifest) -> Predictor:
    """Load the model of a manifest whose files are already trusted."""
    kind = KINDS.get(manifest.kind)
    if kind is None:
        raise ArtifactError(f"{directory}: unknown kind {manifest.kind!r}")
    try:
        calibration = intervals.Calibration.from_json(manifest.interval)
        model = kind.load(directory, vars(manifest))
        surfaces = _surfaces(directory, manifest)
        known = manifest.model.get("comparables")
        comparable = comparables.load(directory, known) if known else None
    except FileNotFoundError as error:
        raise ArtifactError(f"{error.filename}: missing; {artifacts.CURE}") from None
    except (KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
        text = f"{directory}: does not fit its manifest ({error!r}); {artifacts.CURE}"
        raise ArtifactError(text) from error
    return Predictor(manifest, model, calibration, surfaces, comparable)


def _surfaces(directory: Path, manifest: Manifest) -> Surfaces | None:
    grid = manifest.model.get("surfaces")
    if grid is None:
        return None
    with np.load(directory / "surfaces.npz", allow_pickle=False) as arrays:
        return Surfaces(arrays["values"], grid["west"], grid["south"], grid["step"])


def golden_rows(
    predictor: Predictor, homes: Homes, demographics: FloatArray
) -> list[dict[str, object]]:
    """Return inputs and answers for the manifest."""
    return golden.rows(predictor.answers, homes, demographics)


def load_serving(root: Path) -> dict[str, dict[str, Predictor]]:
    """Load what serving.json names; champions must be of their slot."""
    serving = artifacts.read_serving(root)
    loaded: dict[str, Predictor] = {}
    for roles in serving.values():
        for name in roles.values():
            if name not in loaded:
                loaded[name] = load(root / name)
    for slot, roles in serving.items():
        for role, name in roles.items():
            # A fallback may ask for less than its slot, never for more.
            fits = {slot, "minimal"} if role == "fallback" else {slot}
            if loaded[name].manifest.slot not in fits:
                path = root / artifacts.SERVING
                raise ArtifactError(
                    f"{path}: {name} cannot be {role} of slot {slot}; {artifacts.CURE}"
                )
    return {
        slot: {role: loaded[name] for role, name in roles.items()}
        for slot, roles in serving.items()
    }
