"""Finds the fonts of documents, those of the Noto family, and says which is missing for a name."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from evbilling.errors import EvbillingError

if TYPE_CHECKING:
    import typst

log = logging.getLogger(__name__)

# Folders to take instead of the usual places, separated as in PATH.
VARIABLE = "EVBILLING_FONTS"

# Where Linux distributions put Noto; each folder is searched with all below it.
_USUAL = (
    "/usr/share/fonts/truetype/noto",
    "/usr/share/fonts/opentype/noto",  # Debian, Ubuntu
    "/usr/share/fonts/noto",
    "/usr/share/fonts/noto-cjk",
    "/usr/share/fonts/noto-emoji",  # Alpine, Arch
    "/usr/share/fonts/google-noto",
    "/usr/share/fonts/google-noto-vf",  # Fedora
    "/usr/share/fonts/google-noto-sans-cjk-fonts",
    "/usr/share/fonts/google-noto-color-emoji-fonts",
    "/usr/share/fonts/google-noto-sans-cjk-vf-fonts",
)

# Noto as wheels, which the extra `local` installs.
_WHEELS = ("manimgx_fonts", "manimgx_fonts_cjk")

_TEXT = ("Noto Sans",)
_SCRIPTS = (
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Bengali",
    "Noto Sans Tamil",
    "Noto Sans Armenian",
    "Noto Sans Georgian",
    "Noto Sans Ethiopic",
)
_EMOJI = ("Noto Color Emoji", "Noto Emoji")
# Embedded in Typst: Latin, Greek, Cyrillic.
_EMBEDDED = ("Libertinus Serif", "DejaVu Sans Mono")

# Each country draws the same Han character differently.
_HAN = {"JP": "JP", "KR": "KR", "KP": "KR", "TW": "TC", "HK": "HK", "MO": "HK"}

# Scripts, by the first word of their letters' names in Unicode, that Debian doesn't have in fonts-noto-core.
_OF_CJK = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH"})
_MOST_SHOWN = 5


class FontMissing(EvbillingError):
    """No font has a character of the document. It can be made once a font is there."""


def missing(characters: Iterable[str], where: str) -> FontMissing:
    """What is missing for these characters of the document `where`: which, of which scripts, and what to install."""
    lacking = sorted(set(characters))
    found = {_script_and_package(character) for character in lacking}
    scripts, packages = (", ".join(sorted({pair[n] for pair in found})) for n in (0, 1))
    shown = " ".join(lacking[:_MOST_SHOWN]) + (" …" if len(lacking) > _MOST_SHOWN else "")
    return FontMissing(
        f"no font has {shown} ({scripts})",
        where=where,
        fix=f"install {packages} (Debian, Ubuntu) where documents are made, or name other folders in {VARIABLE}",
    )


def _script_and_package(character: str) -> tuple[str, str]:
    if unicodedata.category(character) == "So":
        return "symbols and emoji", "fonts-noto-color-emoji"
    script = unicodedata.name(character, "unknown").partition(" ")[0]
    return script.capitalize() if script != "CJK" else script, (
        "fonts-noto-cjk" if script in _OF_CJK else "fonts-noto-core"
    )


def font_folders(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The folders to search: those that EVBILLING_FONTS names, else the usual ones and the wheels that are there."""
    if named := environment.get(VARIABLE, ""):
        folders = [folder for folder in named.split(os.pathsep) if folder]
        for folder in folders:
            if not Path(folder).is_dir():
                log.warning("%s names %s, which isn't a folder; documents are set without its fonts", VARIABLE, folder)
        return tuple(folder for folder in folders if Path(folder).is_dir())
    return (*(folder for folder in _USUAL if Path(folder).is_dir()), *_wheels())


@lru_cache(maxsize=1)
def _wheels() -> tuple[str, ...]:
    found = (find_spec(name) for name in _WHEELS)
    return tuple(str(Path(spec.origin).parent) for spec in found if spec and spec.origin)


@lru_cache(maxsize=8)
def load_fonts(folders: tuple[str, ...]) -> typst.Fonts:
    """The fonts in `folders` and those embedded in Typst; no others of the system. Takes a tenth of a second."""
    import typst

    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=list(folders))


@lru_cache(maxsize=64)
def families(folders: tuple[str, ...], locale: str) -> tuple[str, ...]:
    """The families to set a document in, in order of preference, as far as they are installed."""
    there = frozenset(load_fonts(folders).families())
    han = _HAN.get(locale.rpartition("_")[2], "SC")
    wanted = (*_TEXT, *_SCRIPTS, f"Noto Sans CJK {han}", "Noto Sans CJK SC", *_EMOJI, *_EMBEDDED)
    return tuple(dict.fromkeys(family for family in wanted if family in there))
