"""The agents of `demo.traced_ticket` as an app: the second release knows the customer."""

from __future__ import annotations

import os

from demo.traced_ticket import Desk

DESK = Desk()
DESK.knows_customer = os.environ["DESK_RELEASE"] == "2"
triage, research, draft, notify = DESK.triage, DESK.research, DESK.draft, DESK.notify
