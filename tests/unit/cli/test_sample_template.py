"""The texts of pipekit.toml that `init` and `demo` write, held to what the stages understand."""

import re
import tomllib

import pytest
from pipekit_analyzer.settings import Settings as AnalyzerSettings
from pipekit_merger.settings import Settings as MergerSettings
from pipekit_translator.settings import Settings as TranslatorSettings

from pipekit.builtins.rules import Rules
from pipekit.cli import init
from pipekit.cli.demo import demo
from pipekit.cli.demo.sample import write_sample
from pipekit.config.structure import structured
from pipekit.config.tables import (
    LifecycleConfig,
    PipelineConfig,
    ScheduleConfig,
    SecretsConfig,
    StageConfig,
)

PROJECT_TOML = init.TEMPLATE.read_text("utf-8")
DEMO_TOML = demo.TEMPLATE.read_text("utf-8")
SETTINGS = {
    "translator": TranslatorSettings,
    "analyzer": AnalyzerSettings,
    "merger": MergerSettings,
}


def switched_on(text: str) -> str:
    """The text with every setting that is commented out taken as one that stands."""
    return re.sub(r"(?m)^#(?=\S)", "", text)


VARIANTS = {
    "project": PROJECT_TOML,
    "project, all switched on": switched_on(PROJECT_TOML),
    "demo": DEMO_TOML,
    "demo, all switched on": switched_on(DEMO_TOML),
}


def translator(text: str) -> TranslatorSettings:
    return structured(TranslatorSettings, tomllib.loads(text)["stages"]["translator"]["settings"])


@pytest.mark.parametrize("text", VARIANTS.values(), ids=VARIANTS)
def test_every_value_is_one_that_pipekit_takes(text):
    document = tomllib.loads(text)
    stages = structured(PipelineConfig, document.pop("pipeline")).stages
    tables = document.pop("stages")
    assert list(stages) == list(tables) == list(SETTINGS)
    for name, table in tables.items():
        assert structured(SETTINGS[name], structured(StageConfig, table).settings)
    lifecycle = document.pop("lifecycle")
    assert structured(Rules, {"rules": lifecycle.pop("rules")}).rules
    assert structured(LifecycleConfig, lifecycle).mode == "report"
    for name, cls in (("schedule", ScheduleConfig), ("secrets", SecretsConfig)):
        structured(cls, document.pop(name, {}))
    assert document == {"sinks": {"console": {}}}


def test_every_explanation_stays_one_when_all_settings_are_switched_on():
    """No prose line begins with `#` and a letter, or it would become broken TOML."""
    for text in VARIANTS.values():
        assert all(re.match(r"#( |$)|[^#]|$", line) for line in switched_on(text).splitlines())


def test_a_project_reads_what_the_translator_reads_without_being_told():
    told, untold = translator(PROJECT_TOML), TranslatorSettings()
    assert [told.glob(source) for source in told.sources] == [
        untold.glob(source) for source in untold.sources
    ]
    for one, other in zip(told.sources, untold.sources, strict=True):
        assert one.resolved() == other.resolved()
        assert one.timezone == other.timezone


def test_commented_examples_name_their_zone_and_close_stamps():
    kinds = {source.dialect: source for source in translator(switched_on(PROJECT_TOML)).sources}
    assert set(kinds) == set("ABCD")
    assert kinds["C"].bar_time == "close"
    assert kinds["C"].timezone == kinds["B"].timezone == "America/Chicago"


@pytest.mark.slow
def test_each_file_of_the_demo_matches_the_source_of_its_dialect_and_no_other(tmp_path):
    sample, settings = write_sample(tmp_path), translator(DEMO_TOML)
    matches = {file: [] for file in sample.files}
    for source in settings.sources:
        for path in tmp_path.glob(settings.glob(source)):
            matches[path.relative_to(tmp_path).as_posix()].append(source.dialect)
    folders = {"exporter": "A", "concatenated": "B", "ninjatrader": "C", "daily": "D"}
    assert matches == {file: [folders[file.split("/")[2]]] for file in sample.files}


def test_lines_are_short_enough_for_a_terminal():
    assert max(len(line) for text in VARIANTS.values() for line in text.splitlines()) <= 100
