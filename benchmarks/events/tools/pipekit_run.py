"""As `pipekit run` tells it: journal and the log for people. FILE COUNT [die]"""

import os
from pathlib import Path

from telling import RUN, told

from pipekit.run.events import EventLogger
from pipekit.storage.journal import Journal, RunLog


def opened(path: str):
    log = Path(os.devnull, "none") if os.environ.get("NO_LOG") else Path(path).with_suffix(".log")
    logger = EventLogger(RUN, Journal(Path(path)), RunLog(log))

    def emit(event):
        stage, name, msg, data = event
        logger.emit(stage, name, msg, **data)

    return emit, None  # the end of a run is a change of state, which it syncs by itself


if __name__ == "__main__":
    told(opened)
