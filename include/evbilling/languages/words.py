"""Messages to customers, translated by gettext catalogues. `make words` brings the catalogues up to date."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from evbilling.languages.choice import LANGUAGES

CATALOGUES = Path(__file__).parent / "catalogues"


def to_translate(message: str) -> str:
    """The message itself: marks one that is translated elsewhere, by `Words.gettext(variable)`, for the catalogues."""
    return message


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language. Messages are English, with placeholders like %(amount)s."""

    language: str
    _translations: NullTranslations

    def gettext(self, message: str, **values: str) -> str:
        """The message in this language, with the values in its placeholders."""
        return self._translations.gettext(message) % values

    def ngettext(self, one: str, many: str, number: int, **values: str) -> str:
        """As `gettext`, in the form that the language has for `number`; `values` has it as it is written."""
        return self._translations.ngettext(one, many, number) % values

    def pgettext(self, context: str, message: str, **values: str) -> str:
        """As `gettext`, for a message that means something else elsewhere."""
        return self._translations.pgettext(context, message) % values


def words_of(locale: str) -> Words:
    """The words of the locale's language; English for one without a catalogue."""
    return _words(locale.partition("_")[0])


@lru_cache(maxsize=len(LANGUAGES) + 1)
def _words(language: str) -> Words:
    if language == "en" or language not in LANGUAGES:
        return Words("en", NullTranslations())
    # Compiled here, in some milliseconds once a process, so that nothing compiled is kept beside the source.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with (CATALOGUES / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Words(language, GNUTranslations(compiled))
