"""The desk's own articles: all that an answer may rest on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Article:
    """One article: its area, its title, and a text of a few sentences."""

    area: str
    title: str
    text: str


ARTICLES: Final = (
    Article(
        "card",
        "Ordering, activating and replacing a card",
        "Order a card under Cards in the app; it arrives within ten working days. Activate it there when you hold it "
        "in your hands. A card that is about to expire is replaced by itself, one month before.",
    ),
    Article(
        "card",
        "A card payment that was declined, is pending or looks wrong",
        "A pending payment is settled by the shop within seven days, or it is released. A payment is declined when the "
        "PIN is wrong, the limit is reached or the card is frozen: the app shows which. If you do not know a payment, "
        "freeze the card in the app first; then tell us the date and the amount.",
    ),
    Article(
        "card",
        "Your PIN",
        "You can see and change your PIN under Cards, Security. After three wrong tries it is blocked until midnight; "
        "a cash machine of any bank can unblock it earlier.",
    ),
    Article(
        "transfer",
        "How long a transfer takes",
        "A transfer to another bank in the country arrives within one working day, abroad within four. Until it has "
        "left, you can cancel it under Payments. If a transfer fails, the money is back on the same day.",
    ),
    Article(
        "top-up",
        "Topping up your account",
        "A top-up by card is there at once, by bank transfer within one working day, by cheque or cash deposit within "
        "five. A top-up that is reverted was refused by the other bank; nothing is charged for it.",
    ),
    Article(
        "cash",
        "Withdrawing cash",
        "You can withdraw cash at every machine that shows the sign of your card. Five withdrawals a month are free; "
        "after that each costs 1.50. If the machine paid out the wrong amount, keep the receipt and tell us within "
        "thirty days.",
    ),
    Article(
        "exchange",
        "Exchange rates and currencies",
        "We exchange at the rate of the card network of that minute, plus 0.5 % at weekends. The app shows the rate "
        "before you confirm. You can hold 28 currencies.",
    ),
    Article(
        "identity",
        "Proving who you are",
        "The law asks us to know our customers. Take a picture of your passport or identity card under Profile, in "
        "daylight and without a flash; the check takes ten minutes. There you can also reset a forgotten passcode.",
    ),
    Article(
        "other",
        "Refunds",
        "A shop's refund reaches your account within five working days after the shop has sent it. If it takes longer, "
        "ask the shop for the reference number and send it to us.",
    ),
)


_COMMON: Final = {
    "that",
    "this",
    "with",
    "have",
    "from",
    "your",
    "what",
    "when",
    "then",
    "they",
    "will",
    "does",
    "which",
}


def article_for(area: str, text: str) -> Article | None:
    """The article of `area` that shares most words with `text`; None where it shares none with any of them."""
    asked = _words(text)
    fitting = [
        (len(asked & _words(f"{article.title} {article.text}")), article)
        for article in ARTICLES
        if article.area == area
    ]
    shared, best = max(fitting, key=lambda pair: pair[0], default=(0, None))
    return best if shared else None


def _words(text: str) -> set[str]:
    """The words that say something, cut to their first five letters (`transfers`, `transferred`)."""
    return {word[:5] for word in re.findall(r"[a-z]{4,}|pin", text.lower()) if word not in _COMMON}
