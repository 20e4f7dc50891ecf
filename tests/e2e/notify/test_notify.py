"""The sink `notify`: somebody is told, once, through real servers on the loopback."""

from __future__ import annotations

import email
import json
import re
import threading

import pytest
from pipekit_notify.plugin import pipekit_event_sinks
from pipekit_notify.settings import Settings

from pipekit.testing import SinkContract

from .conftest import PASSWORD, SECRET


class TestNotify(SinkContract):
    """Against a webhook on the loopback."""

    (sink,) = pipekit_event_sinks()

    @pytest.fixture(autouse=True)
    def _hook(self, hook):
        self.settings = Settings(addresses={"hook": hook.url})


def run(work, code="", **env):
    if code:
        work.write("code.txt", code)
    else:
        (work.root / "code.txt").unlink(missing_ok=True)
    return work.pipekit("run", env=env)


def test_a_failure_is_told_once_and_so_is_its_end(work, hook):
    assert run(work, "5").code == 2
    assert hook.titles == ["project: work failed"]
    (message,) = hook.messages
    for said in ("one: exited with code 5", "| Disk of ES is broken", "show 1", str(work.root)):
        assert said in message["message"]
    assert message["type"] == "failure"
    run(work, "5")
    run(work)  # idle: that is no recovery
    assert len(hook.messages) == 1
    run(work, "0")
    run(work, "0")
    assert hook.titles == ["project: work failed", "project: work has recovered"]


def test_only_a_failure_that_lasts_is_told_where_a_rule_says_so(work, hook):
    env = {"PIPEKIT_SINKS__NOTIFY__RULES__LASTS__IN_A_ROW": "3"}
    for _ in range(2):
        run(work, "5", **env)
    assert hook.titles == []
    run(work, "5", **env)
    run(work, "5", **env)
    assert hook.titles == ["project: work failed (in 3 runs, since run 1)"]


def test_mail(work, hook, mailbox):
    url, mails = mailbox
    done = run(work, "5", PIPEKIT_SINKS__NOTIFY__ADDRESSES__MAIL=url)
    assert "sink" not in done.err
    (mail,) = [email.message_from_string(text) for text in mails]
    assert (mail["Subject"], mail["To"]) == ("project: work failed", "you@there.test")
    bodies = [
        part.get_payload(decode=True).decode() for part in mail.walk() if not part.is_multipart()
    ]
    assert "Disk of ES is broken" in bodies[0]
    assert hook.titles == ["project: work failed"]


def test_what_could_not_be_sent_is_sent_by_the_next_run_also_by_an_idle_one(work, hook):
    hook.close()
    try:
        done = run(work, "5")
    finally:
        hook.open()
    assert done.code == 2
    assert "sink 'notify' failed on one event: SendError: hook: " in done.err
    assert "warning: sink 'notify' failed on one event" in work.pipekit("status").out
    assert run(work).code == 0
    assert hook.titles == ["project: work failed"]
    assert json.loads((work.root / ".pipekit/notify.json").read_text())["unsent"] == []


def test_a_connection_that_is_refused_for_a_moment_is_tried_again(work, hook):
    hook.close()
    later = threading.Timer(3, hook.open)
    later.start()
    done = run(work, "5")
    later.join()
    assert "sink" not in done.err
    assert hook.titles == ["project: work failed"]


def test_a_run_without_anything_to_say_does_not_load_what_sends(work, hook):
    """Apprise takes a tenth of a second to import."""
    for code, loaded in (("0", False), ("", False), ("5", True)):
        done = run(work, code, PYTHONPROFILEIMPORTTIME="1")
        assert (" apprise\n" in done.err) == loaded
        assert (" stamina\n" in done.err) == loaded


def test_no_address_is_ever_written_or_printed(work, hook, mailbox):
    hook.close()
    mail = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.2:9", mailbox[0])  # nobody listens there
    env = {"PIPEKIT_SINKS__NOTIFY__ADDRESSES__MAIL": mail}
    try:
        done = run(work, "5", **env)
        test = work.pipekit("notify", "test", env=env)
    finally:
        hook.open()
    assert done.err.count("SendError") == 1
    assert test.code == 1
    texts = [done.out, done.err, test.out, test.err, work.pipekit("config", "show", env=env).out]
    texts += [
        p.read_bytes().decode("utf-8", "replace") for p in work.root.rglob("*") if p.is_file()
    ]
    for secret in (SECRET, PASSWORD):
        assert not [text for text in texts if secret in text]


def test_the_command_test_says_who_was_reached(work, hook):
    env = {"PIPEKIT_SINKS__NOTIFY__ADDRESSES__GONE": "json://127.0.0.1:9/x"}
    test = work.pipekit("notify", "test", env=env)
    assert test.code == 1
    assert "hook sent" in test.out
    assert "gone not sent: A Connection error occurred sending JSON" in test.out
    assert work.pipekit("notify", "test", "hook").code == 0
    assert hook.titles == ["project: test", "project: test"]
    assert work.pipekit("notify", "test", "nobody").code == 64


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "sinks.notify.addresses: this key is required"),
        ("addresses = {}", "sinks.notify.addresses"),
        ('addresses.a = "me@here.test"', "sinks.notify.addresses"),
        ('addresses.a = "json://x"\nrules.r.to = ["b"]', "rule 'r' names an unknown address"),
        ('addresses.a = "json://x"\nrules.r.quiet = "10pm"', 'must be like "22:00-07:00"'),
        ('addresses.a = "json://x"\nrules.r.on = ["fire"]', "sinks.notify.rules.r.on"),
    ],
)
def test_what_is_wrong_with_the_table_is_said_before_a_run(work, table, said):
    del work.env["PIPEKIT_SINKS__NOTIFY__ADDRESSES__HOOK"]
    work.config(f'[pipeline]\nstages = ["work"]\n[sinks.notify]\n{table}\n')
    check = work.pipekit("config", "check")
    assert check.code == 3
    assert said in check.out
