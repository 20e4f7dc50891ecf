"""The sink keeps the contract of sinks, and what it is given can be asked for."""

import sqlite3
from contextlib import closing

from pipekit_sqlite_sink import pipekit_event_sinks

from pipekit.testing import EXAMPLES, SinkContract


class TestSqlite(SinkContract):
    (sink,) = pipekit_event_sinks()

    def test_every_event_is_a_row(self, project):
        """What was emitted stands in the file, in order."""
        self.send(project, EXAMPLES)
        with closing(sqlite3.connect(project / "logs/events.db")) as db:
            rows = db.execute("SELECT seq, stage, event FROM events ORDER BY rowid").fetchall()
        assert rows == [(event.seq, event.stage, event.event) for event in EXAMPLES]
