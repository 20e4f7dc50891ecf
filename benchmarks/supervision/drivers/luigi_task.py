"""luigi tasks that run a program, with luigi's own time-out for it."""

import os
import shlex

import luigi
from luigi.contrib.external_program import ExternalProgramTask


class Tree(ExternalProgramTask):
    """An ExternalProgramTask ends its program when luigi gets SIGTERM."""

    number = luigi.IntParameter()
    worker_timeout = float(os.environ["TIMEOUT"]) or None

    def program_args(self):
        return shlex.split(os.environ["COMMAND"])

    def complete(self):
        return False


if __name__ == "__main__":
    tasks = [Tree(number=number) for number in range(int(os.environ.get("COUNT", "1")))]
    luigi.build(tasks, local_scheduler=True, log_level="WARNING")
