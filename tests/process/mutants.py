"""Supervisors with one mistake each, and the test that has to notice it.

    python tests/process/mutants.py [NAME...]

Copies the package, makes the mistake in the copy, runs the named tests against it, and says who
survived; exit code 1 where anybody did.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Mutant(NamedTuple):
    """`old` stands once in `file`; with `new` in its place, a test whose name has `test` fails."""

    name: str
    file: str
    old: str
    new: str
    test: str


GUARDIAN, GUARDED = "pipekit/process/guardian.py", "pipekit/process/guarded.py"
RUN, LADDER = "pipekit/process/run.py", "pipekit/process/ladder.py"
STREAM, VERDICT = "pipekit/process/stream.py", "pipekit/process/verdict.py"
PROCFS = "pipekit/process/procfs.py"
MUTANTS = [
    Mutant(
        "no subreaper",
        GUARDIAN,
        "            self._become_subreaper()\n",
        "",
        "dropped_its_session_and_its_environment",
    ),
    Mutant(
        "leader reaped before its group is killed",
        GUARDIAN,
        "os.WEXITED | os.WNOHANG | os.WNOWAIT)",
        "os.WEXITED | os.WNOHANG)",
        "survivors_get_linger_and_are_told",
    ),
    Mutant(
        "no SIGCONT",
        GUARDIAN,
        "_signal.SIGTERM, _signal.SIGCONT)",
        "_signal.SIGTERM)",
        "stopped_child_hangs_and_can_be_ended_politely",
    ),
    Mutant(
        "SIGTERM to the leader's group alone",
        GUARDIAN,
        "_signal_all(_descendants(_children(self._me)), _signal.SIGTERM",
        "_signal_all([self._leader], _signal.SIGTERM",
        "session_of_its_own_is_asked",
    ),
    Mutant(
        "SIGKILL once, and not to what has come since",
        GUARDIAN,
        "        for _ in range(_PASSES):\n",
        "        for _ in range(1 if self._pause == _AGAIN else 0):\n",
        "new_process_every_millisecond",
    ),
    Mutant(
        "lock given back before the tree is gone",
        GUARDIAN,
        "        self._leader, failure = start.run(stdio)\n",
        "        self._leader, failure = start.run(stdio)\n"
        "        [os.close(held) for held in self._held]; self._held = []\n",
        "keeps_the_lock_until_then",
    ),
    Mutant(
        "lock not handed to the guardian",
        "pipekit/process/supervisor.py",
        "self._spawner, self._hold_fds, wake)",
        "self._spawner, (), wake)",
        "keeps_the_lock_until_then",
    ),
    Mutant(
        "death of the supervisor not noticed",
        GUARDIAN,
        "        if not self._alone:\n",
        "        if False:\n",
        "supervisor_killed_at_any_moment",
    ),
    Mutant(
        "a packet that was not heard taken as the guardian's death",
        GUARDIAN,
        "        except ConnectionResetError:\n            continue\n",
        '        except ConnectionResetError:\n            return b""\n',
        "exit_racing_the_timeout",
    ),
    Mutant(
        "end of output taken as exit",
        RUN,
        "            if self._child.exited():\n                self._gone_at",
        "            if self._child.exited() or not self._child.streams():\n"
        "                self._gone_at",
        "early_end_of_output",
    ),
    Mutant(
        "exit taken as the end of the tree",
        GUARDED,
        "return None if self.lost else self._gone is not None",
        "return None if self.lost else self._code is not None",
        "daemon_that_left_the_session",
    ),
    Mutant(
        "grace skipped",
        LADDER,
        "        self._force_at = now + self._grace\n",
        "        self._force_at = now\n",
        "needs_most_of_the_grace",
    ),
    Mutant(
        "exit code 0 after our signal is a success",
        VERDICT,
        "    return False\n\n\ndef signal_name",
        "    return code == 0\n\n\ndef signal_name",
        "exit_code_0_after_our_signal",
    ),
    Mutant(
        "CPU time is no sign of life",
        "pipekit/process/vigil.py",
        "        return self.usage.cpu - before < _IDLE * (now - since)\n",
        "        return True\n",
        "sign_of_life_of_any_kind",
    ),
    Mutant(
        "a killed guardian is an exit with code 0",
        GUARDED,
        "            return Exit(None, None, None)\n",
        "            return Exit(0, None, None)\n",
        "guardian_is_killed",
    ),
    Mutant(
        "the leader forgotten with its guardian",
        PROCFS,
        "return _real(self._first, latest)",
        "return _real(self._first + 1, latest)",
        "guardian_and_spawner_are_killed",
    ),
    Mutant(
        "a page of children is all of them",
        PROCFS,
        "if len(content) >= _SHORT",
        "if len(content) >= 4096",
        "a_thousand_children",
    ),
    Mutant(
        "a secret cut by two reads is let out",
        STREAM,
        "        beginnings = self._beginnings(data)\n",
        "        beginnings = []\n",
        "secrets_are_nowhere",
    ),
    Mutant(
        "a short write drops the rest unseen",
        STREAM,
        "                rest = rest[os.write(self._descriptor, rest) :]\n",
        "                os.write(self._descriptor, rest); rest = rest[:0]\n",
        "full_disk",
    ),
    Mutant(
        "a pattern is searched in chunks and not in lines",
        STREAM,
        '(self._partial + text).split("\\n")\n        self._partial = lines.pop()\n',
        '(self._partial + text).split("\\n")\n',
        "exit_code_after_completion_counts",
    ),
    Mutant(
        "times are those of the wall clock",
        RUN,
        "        return time.monotonic() - self._start",
        "        return time.time() - self._start",
        "wall_clock",
    ),
    Mutant(
        "the host's signal mask is handed on",
        GUARDIAN,
        "                    setsigmask=(),\n",
        "                    setsigmask=(_signal.SIGUSR1,),\n",
        "no_blocked_and_no_ignored_signals",
    ),
]


def survives(mutant: Mutant, folder: Path) -> bool:
    """Whether the tests stay green; raises RuntimeError where none ran, or not on the copy."""
    for name in ("pipekit", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    file = folder / mutant.file
    text = file.read_text()
    assert text.count(mutant.old) == 1, f"{mutant.name}: its place is gone"
    file.write_text(text.replace(mutant.old, mutant.new))
    where = _python(folder, "-c", "import pipekit; print(pipekit.__file__)").stdout
    words = ["-q", "-x", "-p", "no:cacheprovider", "tests/process", "-k", mutant.test]
    done = _python(folder, "-m", "pytest", *words)
    if not where.startswith(str(folder)) or done.returncode not in (0, 1):
        raise RuntimeError(f"{mutant.name}: not tried\n{where}{done.stdout}{done.stderr}")
    return done.returncode == 0


def _python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def main() -> int:
    """Try those named, or all."""
    alive = 0
    for mutant in MUTANTS:
        if sys.argv[1:] and mutant.name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            lives = survives(mutant, Path(folder))
        print(f"{'SURVIVED' if lives else 'killed  '} {mutant.name}", flush=True)
        alive += lives
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
