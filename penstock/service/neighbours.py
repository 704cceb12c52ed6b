"""A worker that starts looks who is in its group already, and says who was declared otherwise.

Once, and not every minute: the client's admin requests have killed their process where the broker went away meanwhile
(an assertion of librdkafka 2.16, seen in both of two workers).
"""

from __future__ import annotations

import logging

from penstock.broker.contract import Admin
from penstock.deploy.membership import WHAT_TO_DO, strangers, what_it_means
from penstock.errors import BrokerError
from penstock.topology.model import Processor

log = logging.getLogger("penstock.worker")


async def name_strangers(processor: Processor, admin: Admin) -> None:
    """A warning with the names of members that are no worker of this declaration; nothing where there are none."""
    try:
        found = strangers(processor, await admin.group(processor.group_id))
    except BrokerError as error:
        log.debug("group %s was not looked at: %s", processor.group_id, error)
        return
    if found:
        log.warning("group %s: %s (%s)", processor.group_id, what_it_means(found), WHAT_TO_DO)
