"""A server that cannot start says why in its last line, and how to cure it."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import pytest

from housing_app.config import ROOT

SERVING = json.loads((ROOT / "model" / "serving.json").read_text())
ARTIFACT = f"model/{SERVING['full']['champion']}"
BASELINE = f"model/{SERVING['minimal']['fallback']}"
CSV = "data/zipcode_demographics.csv"
RESTORE = "restore the directory from version control or train the model again"


def remove(path):
    path.unlink()


def truncate(path):
    content = path.read_bytes()
    # In the middle of a line, as a full disk or a broken copy leaves it.
    path.write_bytes(content[: content.index(b"\n", len(content) // 2) + 9])


def empty(path):
    path.write_bytes(b"")


def tamper(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_version(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 999}))


def drop_a_column(path):
    head, rest = path.read_text().split("\n", 1)
    path.write_text(head.replace("median_age", "age_in_the_middle") + "\n" + rest)


def drop_the_key(path):
    path.write_text(path.read_text().replace("zipcode", "postcode", 1))


class Spoilt(NamedTuple):
    """A file that is broken, and what the last line must say."""

    path: str
    spoil: object
    cure: str


FILES = {
    "serving.json missing": Spoilt("model/serving.json", remove, RESTORE),
    "serving.json truncated": Spoilt("model/serving.json", truncate, RESTORE),
    "manifest missing": Spoilt(f"{ARTIFACT}/manifest.json", remove, RESTORE),
    "manifest truncated": Spoilt(f"{ARTIFACT}/manifest.json", truncate, RESTORE),
    "manifest tampered": Spoilt(f"{ARTIFACT}/manifest.json", change_version, RESTORE),
    "model missing": Spoilt(f"{ARTIFACT}/price.npz", remove, RESTORE),
    "model truncated": Spoilt(f"{ARTIFACT}/price.npz", truncate, RESTORE),
    "model tampered": Spoilt(f"{BASELINE}/points.npy", tamper, RESTORE),
    "demographics missing": Spoilt(CSV, remove, "set DEMOGRAPHICS_CSV"),
    "demographics empty": Spoilt(CSV, empty, "zipcode"),
    "demographics truncated": Spoilt(CSV, truncate, "truncated"),
    "demographics lack a column": Spoilt(CSV, drop_a_column, "set DEMOGRAPHICS_CSV"),
    "demographics lack the key": Spoilt(CSV, drop_the_key, "zipcode"),
}

SETTINGS = {
    "PORT in words": ({"PORT": "http"}, "PORT", "a whole number from 1 to 65535"),
    "PORT too high": ({"PORT": "70000"}, "PORT", "a whole number from 1 to 65535"),
    "BIND too high": ({"BIND": "127.0.0.1:99999"}, "BIND", "127.0.0.1:8000"),
    "RATE_LIMIT": ({"RATE_LIMIT": "100 a minute"}, "RATE_LIMIT", "100/minute"),
    "unsafe production": (
        {"HOUSING_ENV": "production", "RATE_LIMIT": "off"},
        "RATE_LIMIT",
        "HOUSING_ENV=production needs AUTH=jwt",
    ),
    "no such MODEL_DIR": ({"MODEL_DIR": "/nowhere"}, "/nowhere/serving.json", RESTORE),
    "a metrics directory that cannot be": (
        {"PROMETHEUS_MULTIPROC_DIR": "/proc/nowhere"},
        "PROMETHEUS_MULTIPROC_DIR",
        "/proc/nowhere",
    ),
}

# Through `import wsgi`, as another WSGI server would: one case of each sort.
IMPORTED = ["manifest truncated", "demographics missing", "unsafe production"]


def spoilt(folder, what):
    """Return settings that point at a copy with one file broken."""
    path, spoil, _ = FILES[what]
    shutil.copytree(ROOT / "model", folder / "model")
    (folder / CSV).parent.mkdir()
    with (ROOT / CSV).open() as file:  # its head: the rest would only take time
        (folder / CSV).write_text("".join(islice(file, 50)))
    spoil(folder / path)
    return {
        "MODEL_DIR": str(folder / "model"),
        "DEMOGRAPHICS_CSV": str(folder / CSV),
    }


@pytest.fixture(scope="module")
def boots(start, run, tmp_path_factory):
    """Boot every case once, as many at a time as there are cores."""
    folders = {what: tmp_path_factory.mktemp("boot") for what in FILES}
    settings = {what: spoilt(folder, what) for what, folder in folders.items()}
    settings |= {what: case[0] for what, case in SETTINGS.items()}

    def by_gunicorn(what):
        process, server = start(**settings[what])
        try:
            while (
                process.poll() is None and "answers on" not in server.output.read_text()
            ):
                time.sleep(0.02)
        finally:
            process.terminate()  # the server that should not have started
            code = process.wait(timeout=60)
        return code, server.output.read_text()

    def by_import(what):
        done = run("-c", "import wsgi", **settings[what])
        return done.returncode, done.stdout + done.stderr

    with ThreadPoolExecutor(2) as pool:
        started = {
            ("gunicorn", what): pool.submit(by_gunicorn, what) for what in settings
        }
        started |= {("wsgi", what): pool.submit(by_import, what) for what in IMPORTED}
        found = {key: future.result() for key, future in started.items()}
    return folders, found


def assert_says(outcome, named, cure):
    code, output = outcome
    assert code != 0
    assert "Traceback" not in output
    last = output.rstrip("\n").rpartition("\n")[2]
    assert last.startswith("housing_app cannot start: ")
    assert named in last
    assert cure in last


@pytest.mark.parametrize("what", FILES)
def test_a_broken_file_stops_the_boot_and_is_named_with_its_cure(boots, what):
    folders, found = boots
    path, _, cure = FILES[what]
    assert_says(found["gunicorn", what], str(folders[what] / path), cure)


@pytest.mark.parametrize("what", SETTINGS)
def test_a_bad_setting_stops_the_boot_and_is_named_with_its_cure(boots, what):
    _, named, cure = SETTINGS[what]
    assert_says(boots[1]["gunicorn", what], named, cure)


@pytest.mark.parametrize("what", IMPORTED)
def test_another_wsgi_server_is_told_the_same(boots, what):
    assert boots[1]["wsgi", what][0] == boots[1]["gunicorn", what][0] == 1
    by_import, by_gunicorn = (
        boots[1][door, what][1].splitlines()[-1] for door in ("wsgi", "gunicorn")
    )
    assert by_import == by_gunicorn
