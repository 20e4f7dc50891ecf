from __future__ import annotations

import json

import attrs
import pytest

from pipekit import ConfigError, Duration, setting
from pipekit.config.explain import provenance, secrets, values
from pipekit.config.sources import Source
from pipekit.model.secrets import Mask


@attrs.frozen
class Login:
    user: str = setting("Who.", default="")
    password: str = setting("The password.", default="", secret=True)


@attrs.frozen
class Target:
    url: str = setting("Where to.", default="")
    login: Login = setting("As whom.", factory=Login)


def _refusing(_instance, _attribute, value):
    if value and not value.startswith("tk-"):
        raise ValueError(f"{value!r} does not start with tk-")


@attrs.frozen
class Hook:
    url: str = setting("Where to.", default="https://example.org")
    token: str = setting("The token.", default="", secret=True, validator=_refusing)
    pin: int = setting("The number.", default=0, secret=True)
    every: Duration = setting("How often.", default=60.0)
    login: Login = setting("As whom.", factory=Login)
    targets: tuple[Target, ...] = setting("More of them.", default=())

    def __attrs_post_init__(self):
        if self.url == "bad":
            raise ValueError(f"bad url for token {self.token}")


SECRETS = ("tk-secret", "hunter2", "sesame", "9876")


def test_explain_names_the_winner_and_all_it_beat(configured):
    config = configured(
        '[stages.a]\n\ntimeout = "1h"',
        {"PIPEKIT_STAGES__A__TIMEOUT": "2h"},
        ("stages.a.timeout=9",),
    )
    value = values(config)["stages.a.timeout"]
    assert (value.value, value.source, value.where) == ("9s", Source.FLAG, "--set stages.a.timeout")
    assert [(o.source, o.where, o.value) for o in value.beaten] == [
        (Source.ENVIRONMENT, "PIPEKIT_STAGES__A__TIMEOUT", "2h"),
        (Source.FILE, "pipekit.toml:3", "1h"),
        (Source.DEFAULT, "", None),
    ]
    assert str(value) == (
        'stages.a.timeout = "9s"\n'
        "  from --set stages.a.timeout\n"
        '  instead of "2h" (PIPEKIT_STAGES__A__TIMEOUT)\n'
        '  instead of "1h" (pipekit.toml:3)\n'
        "  (default: unset)\n"
        "  Maximum duration of a task (default: unlimited)."
    )


def test_a_value_equal_to_the_default_does_not_repeat_it(configured):
    value = values(configured("[pipeline]\nworkers = 0"))["pipeline.workers"]
    assert str(value).splitlines()[:-1] == ["pipeline.workers = 0", "  from pipekit.toml:2"]


def test_a_setting_that_is_not_set_is_unset(configured):
    value = values(configured(""))["schedule.every"]
    assert str(value).splitlines()[0] == "schedule.every is unset"


def test_a_default_says_that_it_is_one(configured):
    value = values(configured(""))["retention.run_age"]
    assert (value.value, value.source, value.where, value.beaten) == ("400d", "default", "", ())
    assert str(value).startswith('retention.run_age = "400d"\n  the default\n')


def test_every_value_in_force_is_listed_those_of_known_plugins_too(configured):
    config = configured("[sinks.hook]\nevery = '5m'\n[sinks.hook.login]\nuser = 'me'")
    config.settings_for("sinks", "hook", Hook)
    known = values(config)
    assert known["sinks.hook.every"].value == "5m"
    assert known["sinks.hook.login.user"].where == "pipekit.toml:4"
    assert known["sinks.hook.url"].source is Source.DEFAULT
    assert {"pipeline.workers", "paths.data", "lifecycle.roots", "schedule.every"} <= set(known)


def test_a_value_that_a_plugin_converts_to_the_default_is_still_set_by_the_file(configured):
    assert values(configured("[pipeline]\nworkers = 0"))["pipeline.workers"].source is Source.FILE


def test_the_provenance_is_json_and_tells_what_was_set_from_the_defaults(configured):
    config = configured("[lifecycle]\nmax_files = 9", {"PIPEKIT_PIPELINE__STAGES": "['a']"})
    told = json.loads(json.dumps(provenance(config)))
    assert told["file"] == "pipekit.toml"
    assert told["set"] == {
        "lifecycle.max_files": {"value": 9, "source": "file", "where": "pipekit.toml:2"},
        "pipeline.stages": {
            "value": ["a"],
            "source": "environment",
            "where": "PIPEKIT_PIPELINE__STAGES",
        },
    }
    assert told["defaults"]["pipeline.workers"] == 0
    assert told["defaults"]["lifecycle.max_bytes"] == "100GB"


@pytest.fixture
def secretive(configured):
    return configured(
        """
        [sinks.hook]
        token = "tk-secret"
        login = {user = "me", password = "hunter2"}
        [[sinks.hook.targets]]
        url = "x"
        login.password = "sesame"
        """,
        {"PIPEKIT_SINKS__HOOK__PIN": "9876", "PIPEKIT_SINKS__HOOK__TOKEN": "tk-secret-2"},
        ("sinks.hook.targets=[{url = 'y', login = {password = 'sesame2'}}]",),
    )


def test_a_secret_is_in_no_listing_explanation_or_report(secretive):
    secretive.settings_for("sinks", "hook", Hook)
    known = values(secretive)
    assert known["sinks.hook.token"].value == "***"
    text = json.dumps(provenance(secretive)) + repr(known) + "".join(map(str, known.values()))
    assert not [secret for secret in SECRETS if secret in text]
    assert "me" in known["sinks.hook.login.user"].value


def test_before_a_plugin_has_said_what_is_secret_all_of_its_values_are(secretive):
    text = json.dumps(provenance(secretive)) + repr(secretive) + repr(values(secretive))
    assert not [secret for secret in SECRETS if secret in text]
    assert values(secretive)["sinks.hook.token"].where == "PIPEKIT_SINKS__HOOK__TOKEN"


def test_an_unset_secret_shows_that_it_is_not_set(configured):
    config = configured("[sinks.hook]")
    config.settings_for("sinks", "hook", Hook)
    assert values(config)["sinks.hook.token"].value == ""


def test_the_secrets_are_known_to_those_who_must_strike_them_out(secretive):
    secretive.settings_for("sinks", "hook", Hook)
    assert set(secrets(secretive)) == {"tk-secret-2", "hunter2", "sesame2", "9876"}


def test_a_beaten_value_that_cannot_be_read_is_not_shown_where_it_may_hold_a_secret(configured):
    config = configured("[sinks.hook]\ntargets = 'hunter2'", None, ("sinks.hook.targets=[]",))
    config.settings_for("sinks", "hook", Hook)
    (beaten, _default) = values(config)["sinks.hook.targets"].beaten
    assert (beaten.value, beaten.where) == ("***", "pipekit.toml:2")


def test_a_secret_too_short_to_be_one_is_not_struck_from_every_output(configured):
    config = configured("[sinks.hook]\npin = 0\nlogin.password = 'ab'\ntoken = 'tk-1'")
    config.settings_for("sinks", "hook", Hook)
    assert Mask(secrets(config)).forms == ("tk-1",)


@pytest.mark.parametrize(
    "text",
    [
        "token = ['tk-secret']",
        "token = 'hunter2'",
        "pin = 'hunter2'",
        "login = 'hunter2'",
        "login = {password = ['hunter2']}",
        "login = {passwort = 'hunter2'}",
        "targets = 'hunter2'",
        "targets = ['hunter2']",
        "targets = [{login = 'hunter2'}]",
        "url = 'bad'\ntoken = 'tk-secret'",
    ],
)
def test_a_secret_is_in_no_error(configured, text):
    config = configured(f"[sinks.hook]\n{text}")
    with pytest.raises(ConfigError) as caught:
        config.settings_for("sinks", "hook", Hook)
    assert caught.value.problems
    assert not [secret for secret in SECRETS if secret in str(caught.value)]
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "flag"),
    [("[sinks]\nhook = 'hunter2'", ""), ("stages.a.settings = 'hunter2'", ""),
     ("", "sinks.hook=hunter2"), ("", "sinks.hunter2"), ("[sinks.hook\ntoken = 'hunter2'", "")],
)  # fmt: skip
def test_a_secret_in_a_place_where_none_belongs_is_in_no_error_of_loading(problems, text, flag):
    told = "".join(problems(text, None, (flag,) if flag else ()))
    assert told
    assert "hunter2" not in told.replace("--set sinks.hunter2", "")  # a key is no secret
