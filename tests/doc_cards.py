"""The model cards in docs/model-cards/: one for each artifact, and their list."""

from housing_app.config import ROOT
from housing_app.training import cards
from housing_app.valuation import artifacts

FOLDER = ROOT / "docs" / "model-cards"
_HEAD = """# Model cards

What each shipped model is, what it is for, how good it is and for whom, and where it
fails. `flask model card NAME` makes them from the manifests,
`python tests/write_docs.py` writes them here, and a test compares them.

"""


def expected() -> dict[str, str]:
    """Return the files of the folder, as they should be, by name."""
    paths = sorted((ROOT / "model").glob("*/" + artifacts.MANIFEST))
    found = {
        f"{path.parent.name}.md": cards.card(artifacts.read_manifest(path.parent))
        for path in paths
    }
    links = "".join(f"- [{name.removesuffix('.md')}]({name})\n" for name in found)
    return found | {"README.md": _HEAD + links}


def write() -> list[str]:
    """Write the folder anew and return the names of its files."""
    FOLDER.mkdir(exist_ok=True)
    wanted = expected()
    for path in FOLDER.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, "utf-8")
    return [str((FOLDER / name).relative_to(ROOT)) for name in wanted]
