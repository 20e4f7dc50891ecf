"""A month is written whole or not at all."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pipekit_merger.work.published import place_month, write_month

from pipekit.worker import Publication


def published(path, data, *, damaged):
    """Write a month and place it, as the merge does; returns the warning."""
    publication = Publication(path)
    with ThreadPoolExecutor(1) as disk:
        written = disk.submit(write_month, publication, data, damaged=damaged)
        return disk.submit(place_month, publication, written).result()


def test_a_month_that_cannot_be_placed_leaves_the_old_one_and_no_temporary_file(tmp_path):
    """Here a folder stands in its place."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/old").write_bytes(b"as it was")
    with pytest.raises(OSError, match="taken"):
        published(f"{tmp_path}/taken", b"new", damaged=False)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    assert (tmp_path / "taken/old").read_bytes() == b"as it was"


def test_a_damaged_month_is_set_aside_before_it_is_replaced(tmp_path):
    """And the warning says where it is."""
    (tmp_path / "month").write_bytes(b"damaged")
    warning = published(f"{tmp_path}/month", b"whole", damaged=True)
    assert warning.endswith(f"it was kept as {tmp_path}/month.unreadable")
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {"month": b"whole", "month.unreadable": b"damaged"}
