"""Load models: verify an artifact, make its model ready, fill the slots."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from housing_app.valuation import artifacts, comparables, golden, intervals, serving
from housing_app.valuation.artifacts import Manifest
from housing_app.valuation.errors import ArtifactError
from housing_app.valuation.features import FloatArray, Homes
from housing_app.valuation.kinds import catboost, knn, lightgbm, sklearn
from housing_app.valuation.predictor import Installed, Predictor
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


def load_serving(root: Path) -> dict[str, Installed]:
    """Load what serving.json names; champions must be of their slot."""
    found = serving.read(root)
    loaded: dict[str, Predictor] = {}
    for slot, roles in found.roles.items():
        for role, name in roles.items():
            if name not in loaded:
                loaded[name] = load(root / name)
            check_role(loaded[name].manifest, role, slot, root)
    return {
        slot: Installed(
            {role: loaded[name] for role, name in roles.items()},
            found.shares.get(slot, 0.0),
        )
        for slot, roles in found.roles.items()
    }


def check_role(manifest: Manifest, role: str, slot: str, root: Path) -> None:
    """Refuse a model for a role of a slot that asks for other fields."""
    # A fallback may ask for less than its slot, never for more.
    fits = {slot, "minimal"} if role == "fallback" else {slot}
    if manifest.slot not in fits:
        raise ArtifactError(
            f"{root / serving.SERVING}: {manifest.id} cannot be {role} of slot {slot}; "
            f"{artifacts.CURE}"
        )
