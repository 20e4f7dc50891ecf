"""The how-to pages about running a project are followed on the demo's, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import time

import pytest

from tests.e2e.docs.test_docs_followed import Reader
from tests.e2e.test_run import shell_stage

from ...pages import docs

EXPORT = "data/raw/exporter/DataExport_NQ_20240217_060000_UTC.csv"
WRONG = "data/raw/exporter/DataExport_NQ_20240220_060000_UTC.csv"


@pytest.fixture
def reader(project, tmp_path):
    if os.name == "nt":
        pytest.skip("the pages are written for a POSIX shell")
    return Reader(project, tmp_path)


@pytest.fixture
def demo(reader):
    """A reader in the folder of the demo, which has had its first run."""
    reader.follow("$ pipekit demo\n$ cd pipekit-demo")
    return reader


def blocks(page, section=""):
    text = docs(page).section(section) if section else docs(page).text
    return re.findall(r"```console\n(.*?)```", text, re.DOTALL)


def results(reader) -> str:
    """All trades of the project, as CSV."""
    return subprocess.run(
        ["pipekit", "results", "--rows", "--csv"],
        cwd=reader.here,
        env=reader.env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def settle(file) -> None:
    """As if the file had been changed long enough ago to be read."""
    while time.time() - file.stat().st_ctime < 2:
        time.sleep(0.1)


def test_a_day_is_redone(demo):
    before = results(demo)
    for block in blocks("how-to/redo-a-day.md"):
        demo.follow(block)
    codes = {code for line, code in demo.codes[1:] if " run " not in line}
    assert codes == {0}
    assert demo.code("pipekit run --dates 2024-02-05 --rebuild") == 1  # the unknown instrument
    part = [code for line, code in demo.codes if "--only" in line or "--from" in line]
    assert part == [0, 0]
    assert "run        translator: 6 files in data/raw again as asked" in demo.said
    assert results(demo) == before
    journals = sorted((demo.here / "logs/events").iterdir())
    assert [path.read_text("utf-8").count('"event": "start"') for path in journals[1:]] == [4, 2, 2]


def write_wrong(demo, prices: float):
    """An export with the rows of a known day, all prices so much higher, and with another day."""
    head, *rows = (demo.here / EXPORT).read_text("utf-8").splitlines()
    day = [row.split(",") for row in rows if row.startswith("2024-02-15")]
    moved = [
        [date, at, *(f"{float(price) + prices:.2f}" for price in ohlc), volume, name]
        for date, at, *ohlc, volume, name in day
    ]
    later = [["2024-02-20", *row[1:]] for row in day]
    file = demo.here / WRONG
    file.write_text("\n".join([head, *(",".join(row) for row in (*moved, *later)), ""]), "utf-8")
    settle(file)
    return file


def test_a_wrong_file_is_taken_back(demo):
    ask, forget, *_ = blocks("how-to/take-back-a-file.md")
    before = results(demo)
    write_wrong(demo, 100.0)
    demo.follow("$ pipekit run")
    wrong = results(demo)
    assert wrong != before
    demo.follow(ask)
    assert re.search(r"translator: consumed in run 2 \(.*\): 2024-02-14 to 2024-02-20\n", demo.said)
    assert f"{WRONG} forgotten: " in demo.said
    assert results(demo) == wrong
    demo.follow(forget)
    assert results(demo) == before
    assert not (demo.here / WRONG).exists()
    demo.follow("$ pipekit run")  # as the scheduler does
    assert results(demo) == before


def test_a_project_is_moved_and_copied(demo):
    moved, copied = blocks("how-to/move-a-project.md")
    before = results(demo)
    demo.follow(moved)
    assert {code for line, code in demo.codes[1:]} == {0}
    assert demo.here.resolve().name == "bars"
    assert "skipped    translator: nothing new in data/raw" in demo.said
    demo.follow(copied)
    assert demo.codes[-1] == ("pipekit run", 1)  # the unknown instrument
    assert demo.here.resolve().name == "bars-on-the-new-disk"
    analyzer = [line for line in demo.said.splitlines() if " analyzer: " in line][-1]
    # files younger than 2 s are read again
    assert " success " in f" {analyzer}" or " skipped " in f" {analyzer}"
    assert "written" not in analyzer
    assert results(demo) == before


def test_a_standby_has_the_same_results(reader):
    reader.follow("$ pipekit demo")
    (alike,) = blocks("how-to/keep-a-standby.md")[:1]
    (switch,) = blocks("how-to/keep-a-standby.md", "Switch")
    reader.follow(alike)
    assert reader.codes[-3] == ("pipekit -C standby run", 1)  # the unknown instrument
    assert [code for _, code in reader.codes[-2:]] == [0, 0]
    assert list(reader.here.glob("standby/data/analyzer_runs/merged/*/*/*.parquet"))
    reader.follow(switch)
    assert "held: no run begins until" in reader.said


def test_a_mail_of_cron_says_what_the_page_shows(reader, project):
    project.plugin("talks", shell_stage("talks", "echo no space left >&2; exit 7"))
    project.config('[pipeline]\nstages = ["talks"]\n')
    reader.follow("$ pipekit run --quiet-idle")
    reader.heard(next(b.text for b in docs("how-to/be-told.md").blocks("text") if "talks" in b.text))


def test_the_line_for_the_crontab_mails_unless_all_is_well(reader, project):
    (line,) = [b.text for b in docs("how-to/be-told.md").blocks("text") if "* * *" in b.text]
    command = line.split(" ", 5)[5].replace("/opt/pipekit/bin/pipekit", "pipekit")
    project.plugin("talks", shell_stage("talks", "test ! -e bad"))
    project.config('[pipeline]\nstages = ["talks"]\n')
    said = []
    for bad in (False, True):
        if bad:
            project.write("bad", "")
        project.pipekit("run")
        mail = subprocess.run(
            ["/bin/sh", "-c", command.replace("/srv/bars", str(project.root))],
            env=reader.env,
            capture_output=True,
            text=True,
            check=False,
        )
        said.append(mail.stdout.partition(":")[0])
    assert said == ["", "FAILED"]
