"""pipekits with one mistake each in how a run is recorded, and the test that has to notice it."""

from __future__ import annotations

from ..process.mutants import Edit, Mutant

_SYNCED = "        _sync(self._temporary, os.O_RDWR | no_link)"
_FOLDER_SYNCED = "        _sync(folder or os.curdir, os.O_RDONLY)\n"
_PLACED = """            sync_folders([self.target])
            self.tell()
"""
_TOLD_FIRST = """            self.tell()
            sync_folders([self.target])
"""
_EXECUTED = "            results = self._run_tasks(context, tasks, before)\n"
_COMMITTED_FIRST = f"""            from pipekit.model.records import FileRecord
            from pipekit.storage.ledger import signature_text
            from pipekit.worker import Verb
            run.ledger.commit(
                stage.name,
                stage.version,
                run.number,
                [
                    FileRecord(
                        verb=Verb.CONSUMED,
                        path=i.path,
                        signature=signature_text(i.file.signature),
                    )
                    for i in plan.inputs
                ],
                settings_digests={{i.path: i.settings_digest for i in plan.inputs}},
                default_digest=output_digest(stage.settings),
            )
{_EXECUTED}"""
_RECORDED = """\
        if not self._commit(report):
            return self._closed_by_another()
        self._committed = report
        self.exit_code = exit_code
"""
_TOLD = "        self._end_events(report, EventKind(status), str(report))\n"


def _mutant(name: str, test: str, *edits: tuple[str, str, str]) -> Mutant:
    made = tuple(Edit(*edit) for edit in edits)
    return Mutant(name, test, made, sources="pipekit", tests="tests/crash")


MUTANTS = [
    _mutant(
        "no sync of a published file",
        "published_file_is_on_disk",
        ("worker/_publish.py", _SYNCED, "        pass"),
    ),
    _mutant(
        "no sync of a folder",
        "published_file_is_on_disk",
        ("worker/_publish.py", _FOLDER_SYNCED, "        pass\n"),
    ),
    _mutant(
        "a file reported before its folder is synced",
        "published_file_is_on_disk",
        ("worker/_publish.py", _PLACED, _TOLD_FIRST),
    ),
    _mutant(
        "a temporary file that is not reported",
        "kill_at_a_point",
        ("worker/_publish.py", "            report.temporary(temporary)\n", "            pass\n"),
    ),
    _mutant(
        "the ledger before the rename",
        "kill_at_a_point",
        ("run/execution.py", _EXECUTED, _COMMITTED_FIRST),
    ),
    _mutant(
        "the last event before the end of the run",
        "the_end_of_a_run",  # recovery takes either, so that no kill shows it
        ("run/current_run.py", _RECORDED + _TOLD, _TOLD + _RECORDED),
    ),
    _mutant(
        "recovery of the latest run only",
        "full_for_two_runs",
        (
            "run/recovery.py",
            "    runs = ledger.unfinished()\n",
            "    runs = ledger.unfinished()[-1:]\n",
        ),
    ),
]
