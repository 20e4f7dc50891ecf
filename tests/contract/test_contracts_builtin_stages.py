"""The three stages of the product keep the contract of stages, as any plugin's have to."""

from pipekit_analyzer.plugin import pipekit_stages as analyzer_stages
from pipekit_merger.plugin import pipekit_stages as merger_stages
from pipekit_translator.plugin import pipekit_stages as translator_stages

from pipekit.testing import StageContract


def touch(root, path):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(b"")


class TestTranslator(StageContract):
    (spec,) = translator_stages()

    def prepare(self, root):
        touch(root, "data/raw/MinuteDataExport_ES_20200107_000000_UTC.csv")


class TestAnalyzer(StageContract):
    (spec,) = analyzer_stages()

    def prepare(self, root):
        touch(root, "data/processed/ES/1m/2020/ES_1m_2020-01.parquet")


class TestMerger(StageContract):
    (spec,) = merger_stages()

    def prepare(self, root):
        touch(root, "data/analyzer_runs/019d0000-0000-7000-8000-000000000000/ES.parquet")
        touch(root, "data/analyzer_runs/merged/ES1/2020/ES1_2020_01.parquet")
