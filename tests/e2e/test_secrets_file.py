"""`[secrets] file`: read only if it is private, there for settings and plugins, and masked."""

from __future__ import annotations

import os

import pytest

STAGE = """
    import os
    import attrs
    from pipekit import Command, StagePlan, StageSpec, Task, hookimpl, setting

    PIPEKIT_API = "1"

    @attrs.frozen
    class Settings:
        url: str = setting("Not declared as a secret.", default="")

        count: int = setting("A number.", default=1)

    def plan(ctx, settings):
        words = f"url {settings.url} other {os.environ.get('OTHER')}"
        task = Task(name="t", command=Command(argv=["echo", words]))
        return StagePlan(reason=words, tasks=[task])

    @hookimpl
    def pipekit_stages():
        yield StageSpec("fetch", plan, settings=Settings)
"""
SECRETS = """
# for the fetcher
PIPEKIT_STAGES__FETCH__SETTINGS__URL = https://user:hunter2@host/?a=b
OTHER="quoted value"
"""


@pytest.fixture
def fetching(project):
    project.plugin("fetch", STAGE)
    project.config('[pipeline]\nstages = ["fetch"]\n[secrets]\nfile = "secrets.env"\n')
    project.write("secrets.env", SECRETS).chmod(0o600)
    return project


def written(project):
    return "".join(p.read_text("utf-8", "replace") for p in project.root.glob("logs/**/*.*"))


def test_its_values_are_used_and_masked(fetching):
    run = fetching.pipekit("run")
    assert run.code == 0
    everything = run.out + run.err + written(fetching)
    assert "url *** other ***" in everything
    assert "hunter2" not in everything
    assert "quoted value" not in everything
    assert "hunter2" not in repr(fetching.pipekit("config", "show"))
    assert "hunter2" not in repr(fetching.pipekit("config", "explain", "stages.fetch.settings.url"))
    assert fetching.pipekit("status").code == 0


def test_the_environment_overrides_it(fetching):
    run = fetching.pipekit("run", env={"OTHER": "from outside"})
    assert "other from outside" in written(fetching)
    assert run.code == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700, 0o666])
def test_a_file_that_others_may_use_is_refused(fetching, mode):
    (fetching.root / "secrets.env").chmod(mode)
    run = fetching.pipekit("run")
    assert run.code == 3
    assert f"has mode {mode:04o}, so others may use it: chmod 600 " in run.err
    assert not (fetching.root / "logs").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(fetching):
    os.chown(fetching.root / "secrets.env", 12345, 12345)
    run = fetching.pipekit("run")
    assert (run.code, "belongs to user 12345" in run.err) == (3, True)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_is_refused(fetching):
    (fetching.root / "secrets.env").rename(fetching.root / "real")
    (fetching.root / "secrets.env").symlink_to("real")
    run = fetching.pipekit("run")
    assert (run.code, "symbolic link" in run.err) == (3, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hunter2\n", "secrets.env:1: write it as KEY=VALUE"),
        ("A=b\nmy key=hunter2\n", "secrets.env:2: write it as KEY=VALUE"),
        (
            "PIPEKIT_PATHS__LOGS=hunter2\n",
            "PIPEKIT_PATHS__LOGS is not a setting of a stage, policy or",
        ),
        (
            "PIPEKIT_STAGES__FETCH__SETTINGS__COUNT=hunter2\n",
            "fetch.settings.count: expected",
        ),
        ("PIPEKIT_STAGES__FETCH__TIMEOUT=hunter2\n", "stages.fetch.timeout: expected a duration"),
    ],
)
def test_a_line_that_cannot_be_used_is_told_by_its_place_alone(fetching, text, said):
    fetching.write("secrets.env", text)
    run = fetching.pipekit("run")
    assert (run.code, said in run.err) == (3, True)
    assert "hunter2" not in run.err


def test_a_missing_file_is_an_error_of_runs_but_not_of_status(fetching):
    (fetching.root / "secrets.env").unlink()
    assert "secrets.file: cannot read " in fetching.pipekit("run").err
    assert fetching.pipekit("status").code == 0


@pytest.fixture
def credentials(fetching):
    """The project has a credential instead of a file; what systemd does, a folder does here."""
    folder = fetching.root.parent / "credentials"
    folder.mkdir()
    (folder / "fetch.env").write_text(SECRETS)
    table = '[secrets]\ncredential = "fetch.env"\n'
    fetching.config(f'[pipeline]\nstages = ["fetch"]\n{table}')
    return {"CREDENTIALS_DIRECTORY": str(folder)}


def test_a_credential_of_systemd_is_used_and_masked(fetching, credentials):
    run = fetching.pipekit("run", env=credentials)
    assert run.code == 0
    everything = run.out + run.err + written(fetching)
    assert "url *** other ***" in everything
    assert "hunter2" not in everything


def test_a_run_that_systemd_has_not_started_has_no_credential(fetching, credentials):
    assert fetching.pipekit("run").code == 0
    assert "url  other None" in written(fetching)


def test_a_credential_overrides_the_file(fetching, credentials):
    table = '[secrets]\nfile = "secrets.env"\ncredential = "fetch.env"\n'
    fetching.config(f'[pipeline]\nstages = ["fetch"]\n{table}')
    fetching.write("secrets.env", "OTHER=from the file\nTHIRD=only there\n").chmod(0o600)
    run = fetching.pipekit("run", env=credentials)
    assert "from the file" not in run.out + run.err + written(fetching)
    assert run.code == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "secrets.credential: cannot read"),
        ("../secrets.env", "secrets.credential: must be a name"),
        ("odd", "write it as KEY=VALUE"),
    ],
)
def test_a_credential_that_cannot_be_used_is_said_before_a_run(fetching, credentials, name, said):
    (fetching.root.parent / "credentials/odd").write_text("hunter2\n")
    fetching.config(f'[pipeline]\nstages = ["fetch"]\n[secrets]\ncredential = "{name}"\n')
    run = fetching.pipekit("run", env=credentials)
    assert run.code == 3
    assert said in run.err
    assert "hunter2" not in run.err


def test_the_unit_asks_systemd_for_the_credential(fetching, credentials):
    words = ("schedule", "install", "--with", "systemd", "--print")
    assert "\nLoadCredentialEncrypted=fetch.env\n" in fetching.pipekit(*words).out
