"""The customer's language: its words from gettext catalogues, and the locale of its amounts and days."""

from evbilling.languages.choice import FALLBACK, LANGUAGES, babel_locale, locale_of
from evbilling.languages.words import CATALOGUES, Words, to_translate, words_of

__all__ = [
    "CATALOGUES",
    "FALLBACK",
    "LANGUAGES",
    "Words",
    "babel_locale",
    "locale_of",
    "to_translate",
    "words_of",
]
