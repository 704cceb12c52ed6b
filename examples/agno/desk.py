"""The support desk as an Agno agent: one tool, sessions in SQLite where a `db` is given."""

from __future__ import annotations

import os
from typing import Any

from agno.agent import Agent
from agno.models.openai.like import OpenAILike

INSTRUCTIONS = "You are the support desk of a bank. Answer in one sentence. Look an order up before you speak of it."


def look_up(order: str) -> str:
    """The state of an order by its number."""
    return f"order {order} is on its way"


def build(settings: dict[str, Any]) -> Agent:
    """The agent. Its retries, and the client's, are switched off by the adapter."""
    model = OpenAILike(
        id=settings["model"],
        base_url=os.environ.get("OPENAI_BASE_URL"),
        api_key=os.environ.get("OPENAI_API_KEY", "none"),
    )
    return Agent(model=model, tools=[look_up], instructions=INSTRUCTIONS, telemetry=False)
