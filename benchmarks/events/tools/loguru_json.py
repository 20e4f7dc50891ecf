"""loguru with a format of our own, since its serialized records have other fields.

FILE COUNT [die]
"""

import itertools
import json
import os

from loguru import logger
from telling import RUN, told


def opened(path: str):
    seq = itertools.count(1)

    def form(record):
        extra = record["extra"]
        extra["line"] = json.dumps(
            {
                "v": 1,
                "run_id": RUN,
                "seq": next(seq),
                "stage": extra["stage"],
                "event": extra["event"],
                "timestamp": record["time"].isoformat(timespec="milliseconds"),
                "msg": record["message"],
                "data": extra["data"],
            },
            ensure_ascii=False,
        )
        return "{extra[line]}\n"

    logger.remove()
    logger.add(path, format=form, level="INFO", backtrace=False, diagnose=False, encoding="utf-8")

    def emit(event):
        stage, name, msg, data = event
        logger.bind(stage=stage, event=name, data=data).info(msg)

    return emit, os.open(path, os.O_RDONLY)


told(opened)
