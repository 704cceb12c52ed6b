"""The support desk as an OmniCoreAgent: one local tool, its memory router bound by the settings."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches a price list when imported

import litellm
from omnicoreagent import MemoryRouter, OmniCoreAgent, ToolRegistry

from penstock.agents.http_client import http_client

INSTRUCTIONS = "You are the support desk of a bank. Answer in one sentence. Look an order up before you speak of it."

tools = ToolRegistry()


@tools.register_tool("look_up")
def look_up(order: str) -> str:
    """The state of an order by its number."""
    return f"order {order} is on its way"


def build(settings: dict[str, Any]) -> OmniCoreAgent:
    """The agent; its conversations live where `settings.memory` says."""
    litellm.aclient_session = http_client()  # as many calls at once as there are conversations
    return OmniCoreAgent(
        name="desk",
        system_instruction=INSTRUCTIONS,
        local_tools=tools,
        memory_router=MemoryRouter(settings["memory"]),
        model_config={
            "provider": "openai",
            "model": settings["model"],
            "base_url": os.environ.get("OPENAI_BASE_URL"),
            "api_key": os.environ.get("OPENAI_API_KEY", "none"),
        },
    )
