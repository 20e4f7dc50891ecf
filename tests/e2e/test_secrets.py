"""A secret setting never appears in what a run writes or prints, however it gets there."""

from __future__ import annotations

import json

import pytest

SECRET = 'tok-Ä/7"\\x'  # JSON, repr and URLs write it in three other ways
STAGE = r"""
import json, sys
from urllib.parse import quote
import attrs
from pipekit import Command, StagePlan, StageSpec, Task, hookimpl, setting

PIPEKIT_API = "1"

@attrs.frozen
class Settings:
    token: str = setting("A token.", default="", secret=True)
    url: str = setting("Where.", default="")
    how: str = setting("What to do.", default="work")

WORKER = '''
import json, os, sys
from urllib.parse import quote
from pipekit.worker import report, request
t = request()
print(t, repr(t), json.dumps(t), quote(t, safe=""))
print(f"failed with {t}", file=sys.stderr)
report.warning(f"warned of {t}", **{t: [t]})
report.metric(t, 1)
with report.unit(f"unit {t}"):
    raise ValueError(f"bad {t!r}")
with report.unit("good"):
    os.makedirs("data", exist_ok=True)
    open("data/a", "w").close()
    report.rejected("data/a", f"refused by {t}")
report.consumed("data/b", "f", detail={"note": t})
sys.exit(3)
'''

def plan(ctx, settings):
    token = settings.token
    print("planning with", token)
    if settings.how == "raise":
        raise ValueError(f"cannot plan with {token}")
    if settings.how == "exit":
        raise SystemExit(token)
    argv = [sys.executable, "-c", WORKER, token]
    command = Command(argv=argv, stdin=json.dumps(token).encode())
    return StagePlan(reason=f"because of {token}", warnings=[f"beware of {token}"],
                     tasks=[Task(name="t", command=command, units=[f"unit {token}"])])

@hookimpl
def pipekit_stages():
    yield StageSpec("leaky", plan, settings=Settings)
"""


@pytest.fixture
def leaky(project):
    project.plugin("leaky", STAGE)
    project.config(
        f'[pipeline]\nstages = ["leaky"]\n[stages.leaky.settings]\ntoken = {json.dumps(SECRET)}\n'
        'url = "https://x/?key=tok-%C3%84%2F7%22%5Cx"\n'
    )
    return project


def leaks(text):
    return [line for line in text.splitlines() if "tok-" in line]


def test_nothing_that_is_written_or_shown_holds_the_secret(leaky):
    printed = ""
    for how, code in (("work", 1), ("raise", 2), ("exit", 2)):
        done = leaky.pipekit("run", "--set", f"stages.leaky.settings.how={how}")
        assert done.code == code, done
        printed += done.out + done.err
    assert "planning with ***" in printed
    for words in (
        ("config", "show"),
        ("config", "show", "--json"),
        ("show", "1", "--verbose"),
        ("show", "2", "--json"),
        ("status",),
        ("plan", "--json"),
        ("events", "1", "--json"),
        ("logs", "1", "leaky"),
    ):
        done = leaky.pipekit(*words)
        assert done.code == 0, done
        printed += done.out + done.err
    assert leaks(printed) == []
    for path in (*leaky.root.glob("logs/**/*"), *leaky.root.glob(".pipekit/*")):
        if path.is_file():
            assert leaks(path.read_bytes().decode("utf-8", "replace")) == [], path
    report = json.loads(
        next(leaky.root.glob("logs/runs/*/leaky/t.report")).read_text().split("\n")[0]
    )
    assert report["msg"] == "warned of ***"


def test_a_secret_of_one_command_is_masked_in_the_whole_run(project):
    project.config('[pipeline]\nstages = ["one"]\n')
    project.plugin(
        "one",
        """
        import sys
        from pipekit import Command, StagePlan, StageSpec, Task, hookimpl

        CODE = "from pipekit.worker import report; report.warning('it is tok-12345')"

        def plan(ctx, settings):
            command = Command(argv=[sys.executable, "-c", CODE], redact=["tok-12345"])
            return StagePlan(reason="always", tasks=[Task(name="t", command=command)])

        @hookimpl
        def pipekit_stages():
            yield StageSpec("one", plan)
        """,
    )
    done = project.pipekit("run")
    assert done.code == 0, done
    assert "it is ***" in done.err
    for path in project.root.glob("logs/**/*"):
        assert not path.is_file() or leaks(path.read_text()) == [], path
