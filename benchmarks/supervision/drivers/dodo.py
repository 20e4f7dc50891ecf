"""doit tasks with one command each."""

import os
import shlex


def task_tree():
    for number in range(int(os.environ.get("COUNT", "1"))):
        yield {"name": str(number), "actions": [shlex.split(os.environ["COMMAND"])]}
