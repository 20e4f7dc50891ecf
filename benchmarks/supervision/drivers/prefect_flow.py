"""A prefect flow with a time-out, which starts a program; its server lives as long as the flow."""

import os
import shlex
import subprocess

from prefect import flow


@flow(timeout_seconds=float(os.environ["TIMEOUT"]) or None)
def tree():
    subprocess.run(shlex.split(os.environ["COMMAND"]), capture_output=True, check=True)


if __name__ == "__main__":
    tree()
