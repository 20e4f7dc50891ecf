"""What an executor's plugin calls on a node: `execute` carries out one order.

    from pipekit.remote import execute

    answer = execute(order.spec, order.digest)  # on the node; both are texts, and so is the answer
    reply = reply_of(answer)                    # in the run

Nothing else has to travel: everything about the work is in the order's folder, which the node and
the run share. A program can do the same by `pipekit exec-task SPEC`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from pipekit.model.executor import OrderState, OrderStatus
from pipekit.process import prepare
from pipekit.process.remote import node


class Reply(NamedTuple):
    """What a node has answered: its name, and why it could not begin, if it did not.

    `duplicate`: the order has begun before, here or elsewhere, and is left to whoever began it.
    """

    node: str
    reason: str = ""
    duplicate: bool = False

    @property
    def status(self) -> OrderStatus:
        """What an engine's `poll` is to say of it."""
        state = OrderState.UNKNOWN if self.duplicate else OrderState.ENDED
        return OrderStatus(state, self.node, self.reason)


_kept: list[object] = []  # what further orders in this process need


def execute(spec: str, digest: str = "", keep: bool = False) -> str:
    """Carry out an order in the calling thread; returns the answer, to be read by `reply_of`.

    Returns when the whole process tree has ended. Raises nothing that can go wrong on a node.
    `keep`: leave the process that starts commands for the next order, in a worker that lives on.
    """
    if keep:
        _kept[:] = [prepare()]  # the one that is there, if it is still alive
    done = node.execute(Path(spec), digest=digest)
    return json.dumps([done.node, done.reason, done.answer is node.Answer.DUPLICATE])


def reply_of(answer: str) -> Reply:
    """What `execute` has returned. Raises ValueError for anything else."""
    name, reason, duplicate = json.loads(answer)
    return Reply(str(name), str(reason), bool(duplicate))
