"""The policy `keep_latest`: the newest raw files stay, consumed older ones may go."""

import attrs

from pipekit import ActionKind, FileAction, LifecyclePolicy, hookimpl, setting

PIPEKIT_API = "1"


@attrs.frozen
class Settings:
    files: str = setting("The files that this is about.", default="data/raw/**")
    keep: int = setting("How many of them stay.", default=10)


def propose(view, settings):
    newest = sorted(view.files(settings.files), key=view.age)
    for file in newest[settings.keep :]:
        if view.why_not_consumed(file, ["translator"]) is None:
            reason = f"consumed, and not among the newest {settings.keep}"
            yield FileAction(kind=ActionKind.DELETE, path=file.path, reason=reason)


@hookimpl
def pipekit_lifecycle_policies():
    yield LifecyclePolicy("keep_latest", propose, settings=Settings)
