"""Pictures of every page, light and dark, for docs/pages.md and the README: `make screenshots`.

They show the year of `year.py`, in a stack of their own that is thrown away, or that is kept in the folder named with
`--home` and used again.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser

from evbilling_local.stack import API_SERVER
from tests.screenshots.tour import PICTURES, Picture
from tests.screenshots.year import make_year
from tests.support.browser import Visitor, running_browser, visitor
from tests.support.stack import Stack, command

PLACE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "pages"
# WebP, because a page as PNG is four times as large; this quality leaves text without a halo.
_QUALITY = 82


def main() -> int:
    """Take all pictures, or those whose names are given; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of the pictures, all if none is given")
    parser.add_argument("--home", type=Path, help="a stack's folder to make and keep")
    parser.add_argument("--to", type=Path, default=PLACE, help="the folder of the pictures")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    with _year(given.home) as stack, running_browser() as browser:
        for picture in PICTURES:
            if not given.names or picture.name in given.names:
                for scheme in picture.schemes:
                    _take(stack, browser, picture, scheme, given.to)
    return 0


@contextmanager
def _year(home: Path | None) -> Generator[Stack]:
    if home:
        yield make_year(home.resolve())
        return
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        try:
            yield make_year(Path(folder))
        finally:
            command(Path(folder), "down", timeout=120)


def _take(stack: Stack, browser: Browser, picture: Picture, scheme: str, folder: Path) -> None:
    size = {"width": picture.width, "height": picture.height}
    with visitor(browser, API_SERVER.url(stack.state), color_scheme=scheme, viewport=size) as person:
        person.sign_in(picture.user, stack.state.airflow_passwords[picture.user])
        picture.show(person, stack)
        person.page.wait_for_load_state("networkidle")
        person.expect_no_complaints()
        file = folder / (f"{picture.name}-{scheme}.webp" if len(picture.schemes) > 1 else f"{picture.name}.webp")
        file.write_bytes(_webp(person))
        print(f"{file.name:40} {file.stat().st_size / 1024:6.0f} kB", flush=True)


def _webp(person: Visitor) -> bytes:
    """The page as it shows; the browser's own debugger makes WebP, which Playwright doesn't."""
    session = person.context.new_cdp_session(person.page)
    made = session.send("Page.captureScreenshot", {"format": "webp", "quality": _QUALITY})
    session.detach()
    return base64.b64decode(made["data"])


if __name__ == "__main__":
    sys.exit(main())
