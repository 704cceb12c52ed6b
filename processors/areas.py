"""The areas of the desk, and rules of thumb that find a ticket's area and urgency by its words."""

from __future__ import annotations

import re
from typing import Final

AREAS: Final = {
    "card": "cards and PINs: ordering, delivery, activation, contactless, payments by card, loss or theft",
    "transfer": "money sent to or received from another account",
    "top-up": "money added to one's own account: by card, by bank, by cheque or cash deposit",
    "cash": "cash machines and withdrawals",
    "exchange": "currencies, exchange rates and their charges",
    "identity": "verification, personal details, passcode and access to the app",
    "other": "refunds, direct debits, statements, closing an account, everything else",
}
URGENCIES: Final = ("low", "normal", "high")

# Word beginnings and what each is worth for its area. A word that decides outweighs those that merely accompany it:
# "top up by card" is a top-up, "exchange rate of a cash withdrawal" an exchange.
_WORDS: Final = {
    "card": {
        "card": 2, "pin": 3, "contactless": 4, "apple pay": 4, "google pay": 4, "visa": 3, "mastercard": 3,
        "virtual": 3, "disposable": 3, "physical": 3, "swallow": 4, "activat": 2, "deliver": 2, "expir": 2,
        "payment": 1, "paid": 1, "charged twice": 3, "merchant": 2, "shop": 1,
    },
    "transfer": {
        "transfer": 3, "beneficiar": 5, "recipient": 5, "receiv": 1, "sent": 1, "send": 1, "payee": 4,
        "standing order": 3,
    },
    "top-up": {
        "top up": 6, "topup": 6, "topping up": 6, "topped up": 6, "top ups": 6, "cheque": 5, "check deposit": 5,
        "deposit": 4, "add money": 4, "adding money": 4,
    },
    "cash": {"cash": 4, "atm": 4, "withdr": 4, "machine": 3},
    "exchange": {
        "exchang": 7, "currenc": 5, "rate": 4, "foreign": 3, "fiat": 5, "euro": 2, "dollar": 2, "abroad": 1,
        "convert": 4,
    },
    "identity": {
        "identit": 6, "verif": 4, "passcode": 6, "password": 6, "source of funds": 6, "personal detail": 6,
        "my detail": 5, "my address": 5, "my name": 4, "phone": 3, "passport": 5, "log in": 4, "login": 4,
        "prove": 2, "proof": 2,
    },
    "other": {
        "refund": 5, "direct debit": 6, "statement": 4, "extra charge": 3, "extra fee": 3, "close my account": 6,
        "terminat": 5, "delete my account": 6, "age": 3, "old": 1, "child": 3, "country": 3, "countries": 3,
    },
}  # fmt: skip
_HIGH: Final = (
    "urgent", "immediately", "right now", "emergency", "stolen", "stole", "theft", "fraud", "scam", "hacked",
    "compromised", "lost my", "not me", "didnt make", "did not make", "not recognise", "not recognize",
)  # fmt: skip
_LOW: Final = ("just wondering", "out of curiosity", "in general", "no hurry", "no rush")


def area_of(text: str) -> tuple[str, float]:
    """The area whose words weigh most in `text`, and how sure that is: its share of all weight found, 0 to 1.

    No word of any area: `("other", 0.3)`. One weak word alone never makes it sure.
    """
    words = _plain(text)
    weights = {area: _weight(words, stems) for area, stems in _WORDS.items()}
    best = max(weights, key=lambda area: weights[area])
    total = sum(weights.values())
    if not total:
        return "other", 0.3
    evidence = min(1.0, weights[best] / 2)
    return best, round(evidence * weights[best] / total, 2)


def urgency_of(text: str) -> str:
    """`high` where money or safety may be at stake, `low` where the writer says so, else `normal`."""
    words = _plain(text)
    if any(f" {sign}" in words for sign in _HIGH):
        return "high"
    return "low" if any(f" {sign}" in words for sign in _LOW) else "normal"


def _plain(text: str) -> str:
    """Lower case, words divided by one space, one space at each end; apostrophes are dropped (`didnt`)."""
    return " " + re.sub(r"[^a-z0-9]+", " ", re.sub(r"['’]", "", text.lower())).strip() + " "  # noqa: RUF001


def _weight(words: str, stems: dict[str, int]) -> int:
    """What the stems found in `words` are worth together; up to three letters are a whole word (`age`, `pins`)."""
    return sum(worth for stem, worth in stems.items() if _has(words, stem))


def _has(words: str, stem: str) -> bool:
    if len(stem) > 3:
        return f" {stem}" in words
    return f" {stem} " in words or f" {stem}s " in words
