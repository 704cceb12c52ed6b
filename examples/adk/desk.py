"""The support desk as a Google ADK agent over LiteLLM: one tool, a session per customer."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches a price list when imported

import litellm
from google.adk.agents import LlmAgent
from google.adk.models.lite_llm import LiteLlm

from penstock.agents.http_client import http_client

INSTRUCTIONS = "You are the support desk of a bank. Answer in one sentence. Look an order up before you speak of it."


def look_up(order: str) -> str:
    """The state of an order by its number."""
    return f"order {order} is on its way"


def build(settings: dict[str, Any]) -> LlmAgent:
    """The agent; the adapter makes its runner, with sessions in memory. Build a Runner to keep them elsewhere."""
    litellm.aclient_session = http_client()  # as many calls at once as there are conversations
    model = LiteLlm(
        model=f"openai/{settings['model']}",
        api_base=os.environ.get("OPENAI_BASE_URL"),
        api_key=os.environ.get("OPENAI_API_KEY", "none"),
    )
    return LlmAgent(name="desk", model=model, instruction=INSTRUCTIONS, tools=[look_up])
