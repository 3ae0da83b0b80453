"""Which language an account is written to in, and how its amounts and days are written."""

from __future__ import annotations

import pytest
from babel import Locale

from evbilling.languages import FALLBACK, babel_locale, locale_of


@pytest.mark.parametrize(
    ("country", "locale"),
    [
        ("DE", "de_DE"),
        ("us", "en_US"),
        (" gb ", "en_GB"),
        ("UK", "en_GB"),
        ("CHE", "de_CH"),
        ("BE", "nl_BE"),
        ("LU", "fr_LU"),
        ("MX", "es_MX"),
        ("BR", "pt_BR"),
        ("JPN", "en_JP"),
        ("KW", "en_KW"),
        ("PL", "en_PL"),
        (None, FALLBACK),
        ("", FALLBACK),
        ("XX", FALLBACK),
        ("Germany", FALLBACK),
        ("419", FALLBACK),
        ("EU", FALLBACK),
        ("AQ", FALLBACK),
        ("../..", FALLBACK),
        ("D\u0130", FALLBACK),
        ("und", FALLBACK),
        ("x" * 9999, FALLBACK),
    ],
)
def test_a_country_is_written_to_in_its_most_spoken_language_or_english(country: str | None, locale: str) -> None:
    """Two or three letters in any case; whatever isn't a country is written as anybody reads it."""
    assert locale_of(country) == locale


@pytest.mark.parametrize(
    ("country", "language", "locale"),
    [
        ("BE", "fr", "fr_BE"),
        ("CH", "it", "it_CH"),
        ("DE", "en", "en_DE"),
        ("JP", "de", "de_JP"),
        ("PT", " pt-BR ", "pt_PT"),
        ("DE", "DEU", "de_DE"),
        ("DE", "ja", "en_DE"),
        ("DE", "klingon", "en_DE"),
        ("DE", " ", "de_DE"),
        (None, "fr", "fr_001"),
    ],
)
def test_an_accounts_own_language_comes_before_its_countrys(country: str | None, language: str, locale: str) -> None:
    """In any case and with any region; one that we don't have is English, not the country's."""
    assert locale_of(country, language) == locale


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("de_CH", "de_CH"),
        ("fr_BE", "fr_BE"),
        ("es_US", "es_US"),
        ("pt_BR", "pt_BR"),
        ("en_IN", "en_IN"),
        # English as in Germany would have German amounts: 1.234,50.
        ("en_DE", FALLBACK),
        ("en_JP", FALLBACK),
        ("fr_DE", "fr"),
        ("pt_001", "pt_PT"),
        ("ja_JP", FALLBACK),
        ("nonsense", FALLBACK),
    ],
)
def test_amounts_and_days_are_written_in_the_language_of_the_words(locale: str, written: str) -> None:
    """As the country writes them if the language is one of its own, else as the language does."""
    assert babel_locale(locale) == Locale.parse(written)
