"""The stage keeps the contract of stages."""

from pipekit_ohlc.plugin import pipekit_stages

from pipekit.testing import StageContract


class TestDaily(StageContract):
    (spec,) = pipekit_stages()

    def prepare(self, root):
        month = root / "data/processed/ES/1m/2020/ES_1m_2020-01.parquet"
        month.parent.mkdir(parents=True)
        month.touch()
