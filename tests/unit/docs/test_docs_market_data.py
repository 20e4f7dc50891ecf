"""The pages about vendors are followed: their files are read as they print it."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pipekit_translator import presets

from pipekit.cli.main import run_command_line

from ...pages import ROOT, Page, docs

FOLDER = ROOT / "docs/how-to/market-data"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "index")
HEAD = '[stages.translator.settings]\ninstruments = ["*"]\n\n'


def unpack(page: Page, root: Path) -> None:
    """Write the files of a page, packed as their names say."""
    for name, text in page.files().items():
        path, inside, member = name.partition(".zip/")
        file = root / (f"{path}.zip" if inside else name)
        file.parent.mkdir(parents=True, exist_ok=True)
        if inside:
            with zipfile.ZipFile(file, "a") as archive:
                archive.writestr(member, text)
        else:
            data = text.encode()
            file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def typed(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], str]:
    """What `pipekit sources ...` prints on stdout."""

    def call(words: list[str]) -> str:
        capsys.readouterr()
        assert words[:2] == ["pipekit", "sources"]
        assert run_command_line(words[1:]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_followed(name: str, project: Path, typed: Any) -> None:
    """Its files, its sources, and what `pipekit sources try` prints of them."""
    page = docs(f"how-to/market-data/{name}.md")
    unpack(page, project)
    sources = [block.text for block in page.blocks("toml")]
    (project / "pipekit.toml").write_text(HEAD + "\n".join(sources), "utf-8")
    blocks = page.blocks("console")
    assert len(blocks) == len(sources)
    for block in blocks:
        line, _, expected = block.text.partition("\n")
        assert typed(shlex.split(line.removeprefix("$ "))) == expected


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_shows_is_proposed(name: str, project: Path, typed: Any) -> None:
    """For each of its files: the preset of its source, or one that is named beside it."""
    page = docs(f"how-to/market-data/{name}.md")
    unpack(page, project)
    dialects = [re.search(r'dialect = "(.+?)"', block.text)[1] for block in page.blocks("toml")]
    files = sorted({re.sub(r"\.zip/.*", ".zip", file) for file in page.files()}, key=os.path.dirname)
    proposed = [typed(["pipekit", "sources", "detect", file]) for file in files]
    for dialect in dialects:
        assert any(f'dialect = "{dialect}"' in text for text in proposed), dialect


def test_every_preset_stands_on_its_page() -> None:
    for name, preset in presets.every().items():
        if len(name) > 1:
            assert f"`{name}`" in (text := docs(f"how-to/market-data/{preset.page}.md").text) or (
                f'"{name}"' in text
            ), name


def test_the_map_names_every_page() -> None:
    linked = re.findall(r"\]\(([a-z-]+)\.md\)", docs("how-to/market-data/index.md").text)
    assert sorted(linked) == PAGES
    assert {preset.page for preset in presets.every().values()} - {""} == {*PAGES}


def test_the_commands_of_the_map_exist() -> None:
    text = docs("how-to/market-data/index.md").text
    named = {*re.findall(r"`pipekit sources (\w+)", text)}
    titles = docs("reference/commands.md").headings(2)
    assert {f"`pipekit sources {name}`" for name in named} == {
        title for title in titles if title.startswith("`pipekit sources ")
    }
