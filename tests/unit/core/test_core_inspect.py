"""What has become of published files: told by a stat, and by the digest only where that differs."""

from __future__ import annotations

import os

import pytest

from pipekit.storage import stage_view
from pipekit.storage.stage_view import LedgerStageView
from pipekit.worker import fingerprint


@pytest.fixture
def wrote(ledger, put, reported, files):
    """Write a file and record it as published by the stage."""

    def publish(path, text="text"):
        put(path, text)
        record = reported("wrote", path, fingerprint=fingerprint(files.root / path))
        number = ledger.begin_run(f"run-{path}-{text}", 0.0)
        ledger.commit("stage", "1", number, [record], {}, "s1")

    return publish


@pytest.fixture
def inspect(ledger, files):
    """The paths that are missing, removed and altered, and those that are the same after all."""

    def look():
        view = LedgerStageView(files, ledger, "stage", version="1", settings="s1", digest_of=str)
        found = view.inspect(("**",))
        return (
            *([file.path for file in part] for part in found[:3]),
            [path for path, *_ in view.same],
        )

    return look


@pytest.fixture
def hashed(monkeypatch):
    """The files that were read since."""
    seen = []

    def note(path):
        seen.append(path.name)
        return fingerprint(path)

    monkeypatch.setattr(stage_view, "fingerprint", note)
    return seen


def test_files_as_they_were_published_are_not_read(wrote, inspect, hashed):
    wrote("a")
    wrote("b")
    assert inspect() == ([], [], [], [])
    assert hashed == []


def test_what_is_gone_is_missing_or_was_removed(wrote, inspect, ledger, files):
    wrote("a")
    wrote("b")
    ledger.mark_removed(["b"])
    for name in ("a", "b"):
        (files.root / name).unlink()
    assert inspect() == (["a"], ["b"], [], [])


@pytest.mark.parametrize(("text", "read"), [("", []), ("longer text", []), ("tent", ["a"])])
def test_other_content_is_altered_and_read_only_if_it_is_as_long(
    wrote, inspect, put, hashed, text, read
):
    wrote("a")
    put("a", text)
    assert inspect() == ([], [], ["a"], [])
    assert hashed == read


def test_a_copied_project_is_read_once(wrote, inspect, files, ledger, hashed):
    """The signature in the ledger is brought up to date, also where the file was consumed."""
    wrote("a")
    signature = ledger.published_signature("stage", "a")
    copy = files.root / "copy"
    copy.write_text("text")
    os.replace(copy, files.root / "a")
    assert inspect() == ([], [], [], ["a"])
    assert hashed == ["a"]
    view = LedgerStageView(files, ledger, "stage", version="1", settings="s1", digest_of=str)
    view.inspect(("**",))
    ledger.mark_same(view.same)
    assert ledger.published_signature("stage", "a") != signature
    del hashed[:]
    assert inspect() == ([], [], [], [])
    assert hashed == []


def test_the_consumer_of_a_copied_file_knows_it_too(wrote, files, ledger, reported, put):
    wrote("a")
    ledger.commit("next", "1", 1, [reported("consumed", "a")], {}, "s1")
    copy = files.root / "copy"
    copy.write_text("text")
    os.replace(copy, files.root / "a")
    view = LedgerStageView(files, ledger, "stage", version="1", settings="s1", digest_of=str)
    view.inspect(("**",))
    ledger.mark_same(view.same)
    after = LedgerStageView(files, ledger, "next", version="1", settings="s1", digest_of=str)
    assert not after.pending(files.files(["**"]), None, growing=True, force=False)


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_run(
    wrote, inspect, files, monkeypatch, put
):
    wrote("a")
    put("a", "tent", age=5)

    def meddle(path):
        digest = fingerprint(path)
        path.write_text("test")
        return digest

    monkeypatch.setattr(stage_view, "fingerprint", meddle)
    assert inspect() == ([], [], [], [])


def test_files_of_other_stages_are_not_looked_at(wrote, inspect, put):
    put("b")
    assert inspect() == ([], [], [], [])


def test_a_folder_that_is_not_there_yet_is_not_noted(ledger, files):
    """It is no input that somebody has misspelt."""
    view = LedgerStageView(files, ledger, "stage", version="1", settings="s1", digest_of=str)
    view.inspect(("out/*",))
    view.files(("in/*",))
    assert files.missing == {"in"}
    assert files.patterns == {"in/*"}
