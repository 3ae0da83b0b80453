"""Every message to customers has a translation in every language, with the same values in it."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from evbilling.languages import LANGUAGES, words_of
from tests.support import catalogues

_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%|(%)")
TRANSLATED = LANGUAGES[1:]


def _messages(language: str) -> list[Message]:
    content = catalogues.path_of(language).read_bytes()
    return [message for message in read_po(BytesIO(content), locale=language, abort_invalid=True) if message.id]


def _forms(text: object) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, tuple | list) else (str(text),)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_the_messages_of_the_code_and_no_others(language: str) -> None:
    """In order and without what changes by itself: `make words` makes it so."""
    assert catalogues.path_of(language).read_bytes() == catalogues.up_to_date(language, catalogues.messages())


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_message_is_translated_with_its_values(language: str) -> None:
    """Each form of it, none marked as doubtful; Babel's own checks find nothing."""
    for message in _messages(language):
        assert all(_forms(message.string)), f"{language}: {message.id!r} isn't translated"
        assert not message.fuzzy, message.id
        assert not list(message.check(read_po(BytesIO(), locale=language))), message.id
        wanted = {name for name, _ in _PLACEHOLDER.findall(_forms(message.id)[-1]) if name}
        for form in _forms(message.string):
            found = _PLACEHOLDER.findall(form)
            assert not any(lonely for _, lonely in found), f"{language}: a lonely % in {form!r}"
            # The form for one may write the number as a word.
            names = {name for name, _ in found if name}
            assert wanted - {"count"} <= names <= wanted, f"{language}: {form!r}"


def test_each_language_has_its_words() -> None:
    """English are the messages themselves; a language without a catalogue is English."""
    for locale in ("en_US", "ja_JP", "xx", ""):
        assert words_of(locale).gettext("Dear %(name)s,", name="Ann") == "Dear Ann,"
    assert words_of("en_GB").ngettext("one", "%(count)s of them", 2, count="2") == "2 of them"
    assert {words_of(f"{language}_XX").language for language in LANGUAGES} == set(LANGUAGES)


def test_a_merge_conflict_is_solved_by_making_the_catalogue_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides' translations are taken; what neither has is left to be translated, what nobody uses goes."""
    monkeypatch.setattr(catalogues, "CATALOGUES", tmp_path)
    (tmp_path / "de.po").write_text(
        'msgid "Both"\nmsgstr "Beide"\n\n<<<<<<< HEAD\nmsgid "Gone"\nmsgstr "Weg"\n\nmsgid "Ours"\n=======\n'
        'msgid "Theirs"\n>>>>>>> branch\nmsgstr "Es"\n'
    )
    wanted = catalogues.Catalog()
    for text in ("Theirs", "Both", "New", "Ours"):
        wanted.add(text)
    made = catalogues.up_to_date("de", wanted).decode()
    body = made.partition("Plural-Forms")[2].partition("\n\n")[2]
    assert body == (
        'msgid "Both"\nmsgstr "Beide"\n\nmsgid "New"\nmsgstr ""\n\nmsgid "Ours"\nmsgstr "Es"\n\n'
        'msgid "Theirs"\nmsgstr "Es"\n'
    )
