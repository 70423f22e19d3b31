"""Objects of folders and of stores: read by ranges, written whole."""

import pytest

from housing_app.model_store.remote import Missing, Remote


@pytest.fixture(params=["folder", "s3"])
def remote(request, tmp_path):
    if request.param == "folder":
        return Remote(f"file://{tmp_path}/a folder #1 %20")
    request.getfixturevalue("s3")
    return Remote(f"s3://models/remote/{tmp_path.name}")


def test_what_is_written_is_read_in_whole_or_by_ranges(remote):
    remote.write("deep/x.csv", b"0123456789")
    assert remote.read("deep/x.csv") == b"0123456789"
    assert remote.read("deep/x.csv", 3, 7) == b"3456"
    with remote.open("deep/x.csv", 4) as file:
        file.seek(8)
        assert file.read() == b"89"
    assert remote.sizes() == {"deep/x.csv": 10}


def test_an_object_is_another_once_it_was_written_again(remote):
    remote.write("x", b"1")
    before = remote.state("x")
    assert remote.state("x") == before
    remote.write("x", b"22")
    assert remote.state("x") != before
    with pytest.raises(Missing):
        remote.state("y")


def test_a_draft_that_fails_leaves_what_there_was(remote):
    remote.write("x", b"before")

    def fail(file):
        file.write(b"after")
        file.flush()
        assert remote.read("x") == b"before"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), remote.draft("x") as file:
        fail(file)
    assert remote.read("x") == b"before"
    assert remote.sizes() == {"x": 6}
    with remote.draft("x") as file:
        file.write(b"after")
    assert remote.read("x") == b"after"


def test_what_is_not_there_may_be_removed(remote):
    remote.write("a/x", b"1")
    remote.write("b", b"1")
    for _ in range(2):
        remote.remove("a/x")
        assert remote.sizes() == {"b": 1}
    for _ in range(2):
        remote.clear()
        assert remote.sizes() == {}
