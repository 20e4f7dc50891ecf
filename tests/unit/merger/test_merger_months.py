"""Months are published several together, each by itself whole or not at all."""

import pytest
from pipekit_merger.months import publish, publish_all


def test_what_cannot_be_written_is_named_and_the_others_stand(tmp_path):
    """A folder in the place of a file, and a file in the place of a folder."""
    (tmp_path / "ES1/taken").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"in the way")
    names = ["ES1/a", "ES1/taken", "file/b", "NQ1/c"]
    failed = publish_all((f"{tmp_path}/{name}", name.encode()) for name in names)
    assert list(failed) == [f"{tmp_path}/file/b", f"{tmp_path}/ES1/taken"]
    assert all(isinstance(error, OSError) for error in failed.values())
    assert (tmp_path / "ES1/a").read_bytes() == b"ES1/a"
    assert (tmp_path / "NQ1/c").read_bytes() == b"NQ1/c"


def test_one_alone_raises_its_error(tmp_path):
    """And leaves what stands under its name."""
    (tmp_path / "file").write_bytes(b"as it was")
    with pytest.raises(OSError, match="file"):
        publish(f"{tmp_path}/file/a", b"new")
    assert (tmp_path / "file").read_bytes() == b"as it was"


def test_what_a_killed_run_left_is_written_over(tmp_path):
    """The temporary name is always the same one, and longer bytes leave nothing of theirs."""
    (tmp_path / ".a.tmp").write_bytes(b"half of a longer file")
    publish(f"{tmp_path}/a", b"whole")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"whole")]
