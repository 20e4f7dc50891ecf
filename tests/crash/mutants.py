"""pipekits with one mistake each in how a run is recorded, and the test that has to notice it."""

from __future__ import annotations

from ..process.mutants import Edit, Mutant

_SYNCED = """        with open(self._temporary, "rb+") as file:  # Windows requires it to be writable
            os.fsync(file.fileno())
"""
_PLACED = """        if kind is None:
            sync_folders([self.target])
            self.tell()
"""
_EXECUTED = "            tasks = self._run_tasks(context, plan.tasks)\n"
_COMMITTED = """            from pipekit.model.task import FileRecord
            from pipekit.worker import Verb
            run.ledger.commit(
                stage.name,
                stage.version,
                run.number,
                [
                    FileRecord(verb=Verb.CONSUMED, path=i.path, signature=i.file.signature)
                    for i in plan.inputs
                ],
                settings_digests={i.path: i.settings_digest for i in plan.inputs},
                default_digest=output_digest(stage.settings),
            )
"""
_ENDED = "        self.ledger.end_run(self.run_id, status, exit_code, ended)\n"
_TOLD = '        self.events.emit("pipeline", EventKind(status), str(report), exit_code=exit_code)\n'


def _mutant(name: str, test: str, *edits: tuple[str, str, str]) -> Mutant:
    made = tuple(Edit(*edit) for edit in edits)
    return Mutant(name, test, made, sources="pipekit", tests="tests/crash")


MUTANTS = [
    _mutant(
        "no sync of a published file",
        "published_file_is_on_disk",
        ("worker/_publish.py", _SYNCED, ""),
    ),
    _mutant(
        "no sync of a folder",
        "published_file_is_on_disk",
        ("worker/_publish.py", "        os.fsync(descriptor)\n", "        pass\n"),
    ),
    _mutant(
        "a file reported before its folder is synced",
        "published_file_is_on_disk",
        (
            "worker/_publish.py",
            _PLACED,
            "        if kind is None:\n            self.tell()\n"
            "            sync_folders([self.target])\n",
        ),
    ),
    _mutant(
        "a temporary file that is not reported",
        "kill_at_a_point",
        ("worker/_publish.py", "            report.temporary(temporary)\n", "            pass\n"),
    ),
    _mutant(
        "the ledger before the rename",
        "kill_at_a_point or results_after_its_last_rename",
        ("run/execution.py", _EXECUTED, _COMMITTED + _EXECUTED),
    ),
    _mutant(
        "the last event before the end of the run",
        "kill_at_a_point or end_of_a_run_is_in_the_ledger",
        ("run/current_run.py", _ENDED, _TOLD + _ENDED),
        ("run/current_run.py", f"        self._committed = True\n{_TOLD}", "        self._committed = True\n"),
    ),
]
