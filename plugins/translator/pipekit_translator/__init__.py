"""The translator: a pipekit stage from raw market-data exports to Parquet, month by month."""

WORKER = "pipekit_translator.worker"  # the module of its worker process
