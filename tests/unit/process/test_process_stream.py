"""Streams: what comes out never depends on how the bytes were cut on their way in."""

from __future__ import annotations

import codecs
import os
import re
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipekit.model.place import Place
from pipekit.process.output.spool import Spool, SpoolFiles
from pipekit.process.output.stream import (
    PIECE,
    TAIL_BYTES,
    Decoder,
    LineSplitter,
    OutputStream,
    Redactor,
)

cuts = st.lists(st.integers(0, 60), max_size=8)
few_letters = st.text("ab", max_size=60).map(str.encode)
secrets = st.lists(st.text("ab", min_size=1, max_size=6).map(str.encode), max_size=4)
awkward = st.lists(
    st.sampled_from(
        [b"a", b"\r", b"\n", b"\r\n", "€".encode(), b"\xff", b"\xe2\x82", b"\0", b"\x1b"]
    ),
    max_size=30,
).map(b"".join)


def spool_in(folder, name="spool", within=None) -> Spool:
    return Spool(SpoolFiles(folder, name, [".out", ".err"], within=within), ".out")


def cut(data: bytes, at: list[int]) -> list[bytes]:
    borders = [0, *sorted(min(c, len(data)) for c in at), len(data)]
    return [data[a:b] for a, b in pairwise(borders)]


@given(few_letters, secrets, cuts)
def test_redaction_of_pieces_is_that_of_the_whole(data, words, at):
    """The longest secret wins where several begin; none is left in what comes out of one pass."""
    pattern = b"|".join(map(re.escape, sorted(set(words), key=len, reverse=True)))
    expected = re.sub(pattern, b"***", data) if words else data
    redactor = Redactor(words)
    got = b"".join(redactor.feed(piece) for piece in cut(data, at)) + redactor.finish()
    assert got == expected


@given(awkward, cuts, st.sampled_from(["utf-8", "cp1252", "ascii", "utf-16-le", "gb18030"]))
def test_decoding_of_pieces_is_that_of_the_whole(data, at, encoding):
    decoder = Decoder(encoding)
    got = "".join(decoder.decode(piece) for piece in cut(data, at)) + decoder.decode(
        b"", final=True
    )
    assert got == data.decode(encoding, "replace")
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        assert decoder.errors > 0
    else:
        assert decoder.errors == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-7", "iso2022_jp", "utf-8-sig"])
@given(st.binary(max_size=40), cuts)
def test_no_bytes_in_no_encoding_raise(encoding, data, at):
    stream = OutputStream(Spool(None), encoding, lines=True)
    for piece in cut(data, at):
        stream.feed(piece, 0.0)
    stream.finish()
    assert stream.result().size == len(data)


@given(awkward, cuts)
def test_lines_of_pieces_are_those_of_the_whole(data, at):
    text = data.decode("utf-8", "replace")
    expected = re.split("\r\n|\r|\n", text)
    if expected[-1] == "":
        expected.pop()
    splitter = LineSplitter()
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    got = [line for piece in cut(data, at) for line in splitter.feed(decode(piece))]
    assert [*got, *splitter.feed(decode(b"", True)), *splitter.finish()] == expected


@given(awkward, cuts)
def test_a_stream_that_nobody_listens_to_counts_the_same(data, at):
    silent, heard = (
        OutputStream(Spool(None), "utf-8"),
        OutputStream(Spool(None), "utf-8", lines=True),
    )
    for stream in (silent, heard):
        for piece in cut(data, at):
            stream.feed(piece, 1.0)
        stream.finish()
    assert silent.result() == heard.result()
    assert silent.result().lines == data.count(b"\n")


@pytest.mark.parametrize("more", [{}, {"lines": True}, {"redact": ("\x00secret",)}])
@pytest.mark.parametrize(
    "letters", ["x" * 99 + "\n", "\u20ac" * 33 + "\n"], ids=["plain", "accented"]
)
def test_large_pieces_are_kept_as_they_were(tmp_path, more, letters):
    once = letters.encode() * 7000
    stream = OutputStream(spool_in(tmp_path), "utf-8", **more)
    lines = stream.feed(once, 0.0).lines
    lines += stream.feed(once[1:10_000], 1.0).lines
    lines += stream.finish().lines
    whole = once + once[1:10_000]
    assert (tmp_path / "spool.out").read_bytes() == whole
    assert len(lines) == ("lines" in more) * 7100
    result = stream.result()
    assert (result.size, result.lines) == (len(whole), 7100)
    assert result.decode_errors == (letters[0] != "x") * 2
    assert whole.decode("utf-8", "replace").endswith(result.tail)
    assert len(result.tail.encode()) > 65_000


@given(st.lists(st.integers(0, 3 * TAIL_BYTES), max_size=5), st.integers(1, 4000))
def test_tail_is_the_end_of_all_and_keeps_little_more(sizes, small):
    stream, everything = OutputStream(Spool(None), "ascii"), b""
    for number, size in enumerate([*sizes, *[small] * 100]):
        data = bytes([number % 128]) * size
        stream.feed(data, 0.0)
        everything += data
    assert stream.result().tail.encode() == everything[-TAIL_BYTES:]
    assert len(stream._tail) <= 4 * TAIL_BYTES


def test_tail_begins_with_a_whole_character():
    stream = OutputStream(Spool(None), "utf-8")
    stream.feed("€".encode() * TAIL_BYTES, 0.0)
    stream.finish()
    assert set(stream.result().tail) == {"€"}


def test_line_without_end_is_handed_on_in_pieces():
    splitter = LineSplitter()
    lines = [line for _ in range(100) for line in splitter.feed("x" * 10_000)]
    lines += splitter.finish()
    assert "".join(lines) == "x" * 1_000_000
    assert max(map(len, lines)) < PIECE + 10_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "cp1252"])
def test_secrets_are_found_in_the_encoding_of_the_stream(tmp_path, encoding):
    stream = OutputStream(spool_in(tmp_path), encoding, ("Päßword",))
    stream.feed("before Päßword after".encode(encoding), 0.0)
    stream.finish()
    assert "Päßword".encode(encoding)[2:] not in (tmp_path / "spool.out").read_bytes()


def test_secret_that_the_encoding_lacks_is_no_error():
    assert OutputStream(Spool(None), "ascii", ("Päßword",)).feed(b"x", 0.0) == (b"x", [])


def test_spool_that_fails_stays_a_beginning_without_a_hole(tmp_path):
    """After the first error nothing more is written, even where it would work again."""
    spool = spool_in(tmp_path / "folder")
    (tmp_path / "folder").touch()
    spool.write(b"lost")
    (tmp_path / "folder").unlink()
    spool.write(b"also lost")
    spool.close()
    assert (spool.dropped, spool.path) == (13, None)
    assert not (tmp_path / "folder").exists()


def test_short_writes_lose_nothing(tmp_path, monkeypatch):
    """A full disk and a signal both make a write stop early; only the first is an error."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    spool = spool_in(tmp_path)
    spool.write(b"0123456789")
    spool.close()
    assert (tmp_path / "spool.out").read_bytes() == b"0123456789"
    assert spool.dropped == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps an open file where it is")
@pytest.mark.parametrize("how", ["deleted", "moved away", "replaced", "truncated", "with folder"])
def test_file_that_is_lost_is_noticed_counted_and_begun_again(tmp_path, how):
    spool = spool_in(tmp_path / "logs")
    spool.write(b"before\n")
    path = spool.path
    if how == "truncated":
        os.truncate(path, 0)
    elif how in ("moved away", "replaced"):
        path.rename(tmp_path / "old")
        if how == "replaced":
            path.touch()
    else:
        path.unlink()
        if how == "with folder":
            path.parent.rmdir()
    spool.write(b"after\n")
    spool.close()
    assert spool.path.read_bytes() == b"after\n"
    assert (spool.path == path) is (how != "replaced")
    assert (spool.dropped, spool.error) == (7, None)
    said = {"replaced": "moved away", "with folder": "deleted"}.get(how, how)
    assert spool.losses == [f"its file {path} was {said} with 7 bytes of the output in it"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps an open file where it is")
def test_file_that_is_lost_after_the_last_byte_is_missed_at_the_end(tmp_path):
    spool = spool_in(tmp_path)
    spool.write(b"all of it\n")
    spool.path.unlink()
    spool.close()
    assert (spool.dropped, spool.path, len(spool.losses)) == (10, None, 1)


@pytest.mark.parametrize("replaced", [False, True])
def test_folder_is_not_made_again_below_a_place_that_is_gone(tmp_path, replaced):
    project = tmp_path / "project"
    project.mkdir()
    spool = spool_in(project / "logs", within=Place(project))
    spool.write(b"before\n")
    project.rename(tmp_path / "renamed")
    if replaced:
        project.mkdir()
    spool.write(b"after\n")
    spool.close()
    assert project.exists() is replaced
    assert not replaced or list(project.iterdir()) == []
    assert spool.dropped == 13
    assert "was renamed or deleted" in spool.error.strerror


def test_names_are_shared_by_the_streams_of_a_command_and_by_no_other(tmp_path):
    suffixes = [".out", ".err"]

    def run(*used: str) -> list[str]:
        files = SpoolFiles(tmp_path, "job", suffixes)
        spools = [Spool(files, suffix) for suffix in used]
        for spool in spools:
            spool.write(b"x")
            spool.close()
        return [spool.path.name for spool in spools]

    assert run(".out") == ["job.out"]
    assert run(".err", ".out") == ["job-2.err", "job-2.out"]
    assert run(".err") == ["job-3.err"]
    assert run(".out", ".err") == ["job-4.out", "job-4.err"]
    (tmp_path / "job-x.out").touch()
    (tmp_path / "job-99.err").touch()
    assert run(".out") == ["job-100.out"]
