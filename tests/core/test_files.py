"""Files are replaced whole, or stay as they were."""

import pytest

from phenolens.core.files import replaced_whole, write_whole


def test_content_takes_the_place_of_what_was_there(tmp_path):
    path = tmp_path / "results.json"
    path.write_bytes(b"old and long")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_content_stands_until_the_new_is_complete(tmp_path):
    path = tmp_path / "results.json"
    path.write_bytes(b"old")
    with replaced_whole(path) as temporary:
        temporary.write_bytes(b"half")
        assert path.read_bytes() == b"old"
        assert temporary.parent == tmp_path  # on one disk, so that the move is a renaming
        assert temporary.suffix != path.suffix  # no pattern finds what a killed process leaves
    assert path.read_bytes() == b"half"


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "results.json"
    path.write_bytes(b"old")

    def fail_halfway():
        with replaced_whole(path) as temporary:
            temporary.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail_halfway()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_wrote_nothing_is_no_success(tmp_path):
    path = tmp_path / "results.json"
    path.write_bytes(b"old")
    with pytest.raises(FileNotFoundError), replaced_whole(path):
        pass
    assert path.read_bytes() == b"old"
