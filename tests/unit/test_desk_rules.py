"""The desk's rules, its articles, and the table of intent names they are measured by."""

from __future__ import annotations

import pytest

from processors.areas import AREAS, URGENCIES, area_of, urgency_of
from processors.articles import ARTICLES, article_for
from processors.mapping import AREA_OF_INTENT


def test_every_intent_has_an_area_and_every_area_an_intent() -> None:
    assert len(AREA_OF_INTENT) == 77
    assert set(AREA_OF_INTENT.values()) == set(AREAS)


@pytest.mark.parametrize(("intent", "area"), AREA_OF_INTENT.items())
def test_the_rules_read_an_intent_name_as_its_area(intent: str, area: str) -> None:
    assert area_of(intent.replace("_", " "))[0] == area


def test_words_are_found_in_any_case_and_through_punctuation() -> None:
    assert area_of("My TOP-UP, please!") == area_of("my top up please")
    assert area_of("two PINs?")[0] == "card"
    assert area_of("spinning ages of ageing")[0] == "other"  # no pin; `ages` is a word of other


def test_no_word_at_all_is_other_and_unsure() -> None:
    assert area_of("") == ("other", 0.3)
    assert area_of("¿qué?") == ("other", 0.3)


def test_confidence_falls_where_areas_compete_and_where_a_word_is_weak() -> None:
    assert area_of("my card")[1] == 1.0
    assert area_of("card or transfer or cheque")[1] < 0.6
    assert area_of("a payment")[1] == 0.5
    assert all(0 <= area_of(intent.replace("_", " "))[1] <= 1 for intent in AREA_OF_INTENT)


def test_urgency_by_words() -> None:
    assert urgency_of("My card was STOLEN") == "high"
    assert urgency_of("I didn't make this payment") == "high"
    assert urgency_of("I was just wondering about fees") == "low"
    assert urgency_of("where is my card") == "normal"
    assert {"low", "normal", "high"} == set(URGENCIES)


def test_articles_belong_to_areas_and_each_area_has_one() -> None:
    assert {article.area for article in ARTICLES} == set(AREAS)
    assert len({article.title for article in ARTICLES}) == len(ARTICLES)


def test_the_article_that_shares_most_words_of_the_area_or_none() -> None:
    pin = article_for("card", "how do I change my PIN?")
    assert pin is not None
    assert pin.title == "Your PIN"
    ordering = article_for("card", "when will my card arrive")
    assert ordering is not None
    assert ordering.title.startswith("Ordering")
    assert article_for("cash", "xyz") is None
    assert article_for("no such area", "card") is None
