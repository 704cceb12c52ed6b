"""The support desk as a LangChain agent: one tool, and a checkpointer that keeps each customer's conversation."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver

INSTRUCTIONS = "You are the support desk of a bank. Answer in one sentence. Look an order up before you speak of it."


@tool
def look_up(order: str) -> str:
    """The state of an order by its number."""
    return f"order {order} is on its way"


def build(settings: dict[str, Any]) -> Any:
    """The agent. `max_retries=0`: the runtime tries again, and two loops would multiply.

    InMemorySaver ends with the worker; a checkpointer on PostgreSQL or Redis survives it.
    """
    model = ChatOpenAI(model=settings["model"], max_retries=0)
    return create_agent(model, tools=[look_up], system_prompt=INSTRUCTIONS, checkpointer=InMemorySaver())
