"""A member whose thread ended is a problem, unless it was told to leave: a watchdog ends the process for one."""

from __future__ import annotations

import asyncio

from penstock.broker.contract import GroupSettings
from penstock.broker.kafka.questions import Questions
from penstock.broker.kafka.seat import Seat


class Ended:
    alive = False

    def stop(self):
        pass

    def join(self):
        pass


def test_a_member_that_leaves_has_no_problem():
    member = Seat({}, GroupSettings("g", "c"), Questions(lambda: None))
    assert member.problem() == ""
    member._thread = Ended()
    assert member.problem() == "the poll thread has ended"
    asyncio.run(member.leave())
    assert member.problem() == ""
