"""structlog, as its page on performance advises. FILE COUNT [die]

The level is filtered by the wrapper's class, the logger is cached, and what is rendered goes to the
file as it is.
"""

import itertools
import logging
import time
from pathlib import Path

import structlog
from telling import RUN, Clock, told


def opened(path: str, renderer=None, *, binary: bool = False):
    file = Path(path).open("wb" if binary else "w", encoding=None if binary else "utf-8")  # noqa: SIM115  # until the process ends
    seq, clock = itertools.count(1), Clock()

    def stamped(logger, method, event):
        event["v"] = 1
        event["seq"] = next(seq)
        event["timestamp"] = clock.text(time.time())
        return event

    logger = structlog.BytesLoggerFactory if binary else structlog.WriteLoggerFactory
    structlog.configure(
        processors=[
            stamped,
            renderer or structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=logger(file),
        cache_logger_on_first_use=True,
    )
    log = structlog.get_logger().bind(run_id=RUN)

    def emit(event):
        stage, name, msg, data = event
        log.info(name, stage=stage, msg=msg, data=data)

    return emit, file.fileno()


if __name__ == "__main__":
    told(opened)
