"""The catalogues of messages to customers, brought up to date with the code: `make words`.

New messages are added without a translation, those that are gone are left out, and all are in order without line
numbers, so that a catalogue changes only where messages do. One with a merge conflict gets what both sides have.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po, write_po

from evbilling.languages import CATALOGUES, LANGUAGES

SOURCE = CATALOGUES.parents[1]
KEYWORDS = {"gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "to_translate": None}

_CONFLICT = re.compile(r"^<{7}[^\n]*\n(.*?)(?:^\|{7}[^\n]*\n.*?)?^={7}\n(.*?)^>{7}[^\n]*\n", re.DOTALL | re.MULTILINE)


def messages() -> Catalog:
    """All messages of the code, without translations."""
    found = Catalog()
    for path in sorted(SOURCE.rglob("*.py")):
        if "evbilling.languages" in path.read_text(encoding="utf-8"):
            for _, message, _, context in extract_from_file("python", str(path), keywords=KEYWORDS):
                found.add(message, context=context)
    return found


def path_of(language: str) -> Path:
    """The file of a language's catalogue."""
    return CATALOGUES / f"{language}.po"


def up_to_date(language: str, wanted: Catalog) -> bytes:
    """The file of the language's catalogue as it should be: translated as it is now, with the messages of `wanted`."""
    text = path_of(language).read_text(encoding="utf-8") if path_of(language).exists() else ""
    catalogue, *others = (read_po(BytesIO(side.encode()), locale=language) for side in _sides(text))
    for other in others:
        for message in other:
            if message.id and not catalogue.get(message.id, message.context):
                catalogue.add(message.id, message.string, context=message.context)
    catalogue.update(wanted, no_fuzzy_matching=True)
    plural = get_plural(language)
    file = BytesIO()
    file.write(
        f'msgid ""\nmsgstr ""\n"Language: {language}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Content-Transfer-Encoding: 8bit\\n"\n"Plural-Forms: {plural.plural_forms}\\n"\n\n'.encode()
    )
    write_po(file, catalogue, width=116, no_location=True, omit_header=True, sort_output=True, ignore_obsolete=True)
    return file.getvalue().rstrip(b"\n") + b"\n"


def _sides(text: str) -> Iterator[str]:
    """The text as each side of a merge has it; itself if there is no conflict in it."""
    yield _CONFLICT.sub(r"\1", text)
    if _CONFLICT.search(text):
        yield _CONFLICT.sub(r"\2", text)


def main() -> int:
    """Write all catalogues anew; returns 1 if a message lacks its translation."""
    wanted, lacking = messages(), 0
    for language in LANGUAGES[1:]:
        content = up_to_date(language, wanted)
        path_of(language).write_bytes(content)
        made = read_po(BytesIO(content), locale=language)
        missing = [message.id for message in made if message.id and not _is_translated(message.string)]
        lacking += len(missing)
        print(f"{language}.po: {len(wanted)} messages, {len(missing)} to translate", *missing, sep="\n  ")
    return 1 if lacking else 0


def _is_translated(string: object) -> bool:
    return all(string) if isinstance(string, tuple | list) else bool(string)


if __name__ == "__main__":
    sys.exit(main())
