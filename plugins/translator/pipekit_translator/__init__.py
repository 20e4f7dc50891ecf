"""The translator: a pipekit stage from raw market-data exports to Parquet, month by month."""
