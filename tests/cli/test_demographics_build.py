"""`flask demographics build`."""

from housing_app.config import ROOT


def test_building_writes_the_committed_file_again(run, tmp_path):
    path = tmp_path / "zip.csv"
    output = run.ok("demographics", "build", "--output", path)
    assert output.startswith(f"{path}: 3")
    assert output.endswith(" zipcodes\n")
    shipped = ROOT / "data" / "zipcode_demographics.csv"
    assert path.read_bytes() == shipped.read_bytes()


def test_a_directory_that_is_not_there_is_named(run, tmp_path):
    path = tmp_path / "none" / "zip.csv"
    assert str(path) in run.refuses("demographics", "build", "--output", path)
