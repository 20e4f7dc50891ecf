"""The sink `sqlite`: every event of every run as a row in `logs/events.db`."""

import json
import sqlite3
from contextlib import closing, contextmanager

from pipekit import EventSink, hookimpl

PIPEKIT_API = "1"
TABLE = "CREATE TABLE IF NOT EXISTS events (run_id, seq, timestamp, stage, event, msg, data)"


@contextmanager
def open_sqlite(ctx, settings):
    with closing(sqlite3.connect(ctx.logs / "events.db", isolation_level=None)) as db:
        db.execute(TABLE)

        def emit(e):
            row = (e.run_id, e.seq, e.timestamp, e.stage, e.event, e.msg, json.dumps(dict(e.data)))
            db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", row)

        yield emit


@hookimpl
def pipekit_event_sinks():
    yield EventSink("sqlite", open_sqlite)
