"""What the plan asks of its worker. Both sides import this, and nothing else of each other."""

import attrs


@attrs.frozen
class Request:
    """`jobs`: the months of each instrument, as paths of Parquet files."""

    jobs: dict[str, list[str]]
    daily: str
    timezone: str
