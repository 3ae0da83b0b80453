"""Finds the fonts of documents: those of the Noto family cover every script and emoji."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

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
_EMOJI = ("Noto Color Emoji",)
# Embedded in Typst: Latin, Greek, Cyrillic.
_EMBEDDED = ("Libertinus Serif", "DejaVu Sans Mono")

# Each country draws the same Han character differently.
_HAN = {"JP": "JP", "KR": "KR", "KP": "KR", "TW": "TC", "HK": "HK", "MO": "HK"}


def font_folders(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The folders to search: those that EVBILLING_FONTS names, else the usual ones that are there."""
    if named := environment.get(VARIABLE, ""):
        folders = [folder for folder in named.split(os.pathsep) if folder]
        for folder in folders:
            if not Path(folder).is_dir():
                log.warning("%s names %s, which isn't a folder; documents are set without its fonts", VARIABLE, folder)
        return tuple(folder for folder in folders if Path(folder).is_dir())
    return tuple(folder for folder in _USUAL if Path(folder).is_dir())


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
