"""Answer: drafts a reply from one of the desk's own articles, and from nothing else."""

from __future__ import annotations

from penstock import Context, Event, Skip
from processors import model
from processors.articles import Article, article_for
from processors.tickets import Answered, Triaged, handed_over

NO_ANSWER = "NO ANSWER"
INSTRUCTIONS = f"""You answer tickets at the support desk of a bank. Write three sentences at most, friendly and plain.
Use only what the article says. If the article does not answer the ticket, write {NO_ANSWER} and nothing else."""


async def answer(event: Event[Triaged], ctx: Context) -> Answered | Skip | None:
    """A draft for tickets.answered. What no article answers goes to people instead: a bank does not guess."""
    ticket = event.data
    if ticket["needs_people"]:
        return Skip("for escalate")
    article = article_for(ticket["area"], ticket["text"])
    reply = await draft(ctx, ticket["text"], article) if article else NO_ANSWER
    if article is None or reply.startswith(NO_ANSWER):
        ctx.emit("tickets.escalated", handed_over(ticket, "no article answers it"))
        return None
    return {
        "ticket_id": ticket["ticket_id"],
        "customer_id": ticket["customer_id"],
        "reply": reply,
        "article": article.title,
    }


async def draft(ctx: Context, text: str, article: Article) -> str:
    """The model's reply; without a model the article itself, with a greeting."""
    if model.configured():
        return await model.ask(ctx, INSTRUCTIONS, f"{text}\n\nArticle: {article.title}\n{article.text}")
    return f"Thank you for writing to us. {article.text}"
