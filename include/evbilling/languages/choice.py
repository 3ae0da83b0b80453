"""The language in which an account is written to, and how its amounts and days are written. Pure.

A locale is a language and the account's country: `de_CH`. English is the language of all whose own isn't one of
`LANGUAGES`, for words, amounts and days alike: a Japanese account's locale is `en_JP`.
"""

from __future__ import annotations

from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.languages import get_official_languages

# English comes first: messages are written in it, so it has no catalogue.
LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pt")
# English as it is read anywhere: 1 Nov 2026, €1,234.50.
FALLBACK = "en_001"
# Where a language isn't the country's, its amounts and days are written as here.
_PLAIN = {"en": FALLBACK, "pt": "pt_PT"}


@lru_cache(maxsize=1024)
def locale_of(country: str | None, language: str | None = None) -> str:
    """The locale of an account: its own language, else the most spoken of its country; `FALLBACK` without a country.

    `country` is what the platform has: an ISO 3166 code of two letters or three, in any case. `language` is an ISO 639
    code or a tag like `pt-BR`, of which the language counts; one without a catalogue is English, whatever the country.
    """
    spoken, territory = _of_country(country)
    wanted = _code(language) or spoken
    return f"{wanted if wanted in LANGUAGES else 'en'}_{territory}"


@lru_cache(maxsize=1024)
def babel_locale(locale: str) -> Locale:
    """The locale of amounts and days: the country's if the language is one of its own, else the language's plain one.

    So each is written in one form: French for a German account is French throughout. `FALLBACK` for no locale of ours.
    """
    language, _, territory = locale.partition("_")
    if language not in LANGUAGES:
        return Locale.parse(FALLBACK)
    if language in get_official_languages(territory, regional=True, de_facto=True):
        try:
            return Locale.parse(locale)
        except UnknownLocaleError:
            pass
    return Locale.parse(_PLAIN.get(language, language))


def _of_country(country: str | None) -> tuple[str, str]:
    """Its most spoken language and its code; English and the world's if it is missing, unknown or has none."""
    nowhere = ("en", "001")
    code = (country or "").strip().upper()
    # Such a code would be a language or a region of the world to Babel.
    if len(code) not in {2, 3} or not (code.isascii() and code.isalpha()):
        return nowhere
    # Old and three-letter codes have an alias; a country that was split up has several.
    alias = get_global("territory_aliases").get(code, [code])[0]
    try:
        found = Locale.parse(f"und_{alias}")
    except (UnknownLocaleError, ValueError):
        return nowhere
    return (found.language, alias) if found.territory == alias else nowhere


def _code(language: str | None) -> str:
    """The language of a tag, in two letters if it has such a code; empty if there is none."""
    code = (language or "").strip().lower().replace("-", "_").partition("_")[0]
    return str(get_global("language_aliases").get(code, code))
