"""A month is written whole or not at all."""

from concurrent.futures import ThreadPoolExecutor

from pipekit_merger.work.published import MonthFile, place_months, write_months

from pipekit.worker import Publication


def published(*files):
    """Write months and place them, as the merge does."""
    with ThreadPoolExecutor(1) as disk:
        disk.submit(place_months, disk.submit(write_months, files)).result()


def test_a_month_that_cannot_be_placed_leaves_the_old_one_and_no_temporary_file(tmp_path):
    """Here a folder stands in its place, or in that of its folder; the next month is published."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/old").write_bytes(b"as it was")
    (tmp_path / "file").write_bytes(b"not a folder")
    paths = [f"{tmp_path}/{name}" for name in ("taken", "file/month", "next")]
    files = [MonthFile(Publication(path), b"new", damaged=False) for path in paths]
    published(*files)
    assert [file.error is None for file in files] == [False, False, True]
    assert {path.name for path in tmp_path.iterdir()} == {"taken", "file", "next"}
    assert (tmp_path / "taken/old").read_bytes() == b"as it was"
    assert (tmp_path / "next").read_bytes() == b"new"


def test_a_damaged_month_is_set_aside_before_it_is_replaced(tmp_path):
    """And the warning says where it is."""
    (tmp_path / "month").write_bytes(b"damaged")
    file = MonthFile(Publication(f"{tmp_path}/month"), b"whole", damaged=True)
    published(file)
    assert file.warning.endswith(f"it was kept as {tmp_path}/month.unreadable")
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {"month": b"whole", "month.unreadable": b"damaged"}
