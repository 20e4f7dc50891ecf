"""The standard library's logging with a formatter of JSON. FILE COUNT [die]"""

import datetime as dt
import itertools
import json
import logging

from telling import RUN, told


class Formatter(logging.Formatter):
    """A record as an event."""

    def __init__(self):
        super().__init__()
        self._seq = itertools.count(1)

    def format(self, record):
        made = dt.datetime.fromtimestamp(record.created, dt.UTC).astimezone()
        return json.dumps(
            {
                "v": 1,
                "run_id": RUN,
                "seq": next(self._seq),
                "stage": record.name,
                "event": record.event,
                "timestamp": made.isoformat(timespec="milliseconds"),
                "msg": record.getMessage(),
                "data": record.data,
            }
        )


def opened(path: str, formatter: type[logging.Formatter] = Formatter):
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(formatter())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)

    def emit(event):
        stage, name, msg, data = event
        logging.getLogger(stage).info(msg, extra={"event": name, "data": data})

    return emit, handler.stream.fileno()


if __name__ == "__main__":
    told(opened)
