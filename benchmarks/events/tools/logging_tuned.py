"""logging as fast as it goes: what its documentation lets one leave out. FILE COUNT [die]

No caller, thread, process or task is looked up; the encoder is made once, and the time of a second
is formatted once.
"""

import itertools
import json
import logging

from logging_json import opened
from telling import RUN, Clock, told

logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
logging.logAsyncioTasks = False  # knows of it from 3.12 on


class Tuned(logging.Formatter):
    """A record as an event."""

    def __init__(self):
        super().__init__()
        self._seq = itertools.count(1)
        self._encode = json.JSONEncoder(ensure_ascii=False).encode
        self._clock = Clock()

    def format(self, record):
        return self._encode(
            {
                "v": 1,
                "run_id": RUN,
                "seq": next(self._seq),
                "stage": record.name,
                "event": record.event,
                "timestamp": self._clock.text(record.created),
                "msg": record.msg,
                "data": record.data,
            }
        )


told(lambda path: opened(path, Tuned))
