"""An OmniDaemon callback, unchanged: `callback(message: dict) -> anything JSON-able`, sync or async.

    handler: penstock.agents.omnidaemon:agent
    settings: { callback: "agents.triage:callback", webhook_hosts: [hooks.example.com] }

`message` has the fields OmniDaemon gives: content, task_id, topic, webhook, reply_to, correlation_id, causation_id,
source, created_at, delivery_attempts, tenant_id (which OmniDaemon itself drops), agent. The event's data may be such
an envelope (`payload.content` and so on) or anything else, which is the content then. After the callback: the webhook
is called, the reply goes to the topic `reply_to` (one of the processor's `emits`), the result to its `output`
(`returns: nothing` where it has none).
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from penstock.context import Context
from penstock.engine.handler import import_attribute
from penstock.errors import HandlerError
from penstock.event import AnyEvent
from penstock.provider import provider_failure
from penstock.signals import Reject

_WEBHOOK_TIMEOUT: Final = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Envelope:
    """One task, as OmniDaemon's envelope says it and the event completes it."""

    content: Any
    webhook: str | None
    reply_to: str | None
    task_id: str
    topic: str
    correlation_id: str
    causation_id: str | None
    source: str
    created_at: float
    tenant_id: str | None

    def message(self, agent: str, attempt: int) -> dict[str, Any]:
        """What the callback gets."""
        return {
            "content": self.content,
            "webhook": self.webhook,
            "reply_to": self.reply_to,
            "task_id": self.task_id,
            "topic": self.topic,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "source": self.source,
            "created_at": self.created_at,
            "delivery_attempts": attempt - 1,
            "tenant_id": self.tenant_id,
            "agent": agent,
        }


def envelope_of(event: AnyEvent) -> Envelope:
    """From the event's attributes, and from its data where that is an OmniDaemon envelope."""
    plain = Envelope(
        content=event.data,
        webhook=None,
        reply_to=None,
        task_id=event.id,
        topic=event.origin.topic,
        correlation_id=event.correlation_id,
        causation_id=event.causation_id,
        source=event.source,
        created_at=event.time.timestamp(),
        tenant_id=event.tenant,
    )
    data = event.data
    if not isinstance(data, Mapping) or not isinstance(payload := data.get("payload"), Mapping):
        return plain
    said = {
        "content": payload.get("content"),
        "webhook": payload.get("webhook"),
        "reply_to": payload.get("reply_to"),
        "task_id": data.get("id"),
        **{name: data.get(name) for name in ("topic", "correlation_id", "causation_id", "source", "tenant_id")},
        "created_at": data.get("created_at"),
    }
    return replace(plain, **{name: value for name, value in said.items() if value is not None})


class Agent:
    """The handler. A plain `def` callback runs on a thread; past the timeout it is left to end by itself."""

    async def setup(self, settings: Mapping[str, Any]) -> None:
        """Import the callback. Raises HandlerError."""
        spec = settings.get("callback")
        if not isinstance(spec, str):
            raise HandlerError("settings.callback is missing", "name it: agents.triage:callback")
        self._callback = import_attribute(spec, Path(sys.path[0]))
        if not callable(self._callback):
            raise HandlerError(f"{spec} cannot be called", "a callback takes one dict")
        self._name = str(settings.get("name", spec.partition(":")[2]))
        self._hosts = frozenset(settings.get("webhook_hosts", ()))
        self._returns = settings.get("returns", "output") != "nothing"

    async def __call__(self, event: AnyEvent, ctx: Context) -> Any:
        """Run the callback, then webhook, reply and result, in OmniDaemon's order."""
        envelope = envelope_of(event)
        self._check_webhook(envelope)
        message = envelope.message(self._name, ctx.attempt)
        try:
            async with ctx.step(f"callback {self._name}"):
                result = await self._call(message)
        except Exception as error:
            failed = provider_failure(error)
            if failed is None or failed is error:
                raise
            raise failed from error
        if envelope.webhook:
            async with ctx.step("webhook"):
                await self._call_webhook(envelope.webhook, {**message, "result": result, "status": "completed"}, ctx)
        if envelope.reply_to:
            reply = {"content": result, "correlation_id": envelope.correlation_id, "causation_id": envelope.task_id}
            ctx.emit(envelope.reply_to, {**reply, "tenant_id": envelope.tenant_id})
        return None if result is None or not self._returns else {"task_id": envelope.task_id, "result": result}

    async def _call(self, message: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(self._callback):
            return await self._callback(message)
        result = await asyncio.to_thread(self._callback, message)
        return await result if inspect.isawaitable(result) else result

    def _check_webhook(self, envelope: Envelope) -> None:
        """An event may name any address: only hosts that the settings allow are called. Raises Reject."""
        if envelope.webhook and urlsplit(envelope.webhook).hostname not in self._hosts:
            raise Reject(f"the webhook {envelope.webhook} is not on a host of settings.webhook_hosts")

    @staticmethod
    async def _call_webhook(url: str, body: Mapping[str, Any], ctx: Context) -> None:
        """POST the result; a status other than 2xx is a failed attempt. `Idempotency-Key` is the run's id."""
        answered = await ctx.http.post(
            url, json={"payload": dict(body)}, headers={"idempotency-key": ctx.run_id}, timeout=_WEBHOOK_TIMEOUT
        )
        answered.raise_for_status()


agent = Agent
