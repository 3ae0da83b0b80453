"""What the pictures show: every page, who looks at it, on what screen, and what is done there first."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass

import pypdfium2

from tests.screenshots.year import LAST, WAITS
from tests.support.browser import Visitor
from tests.support.stack import Stack

FAILED = "Billing failure"
Show = Callable[[Visitor, Stack], None]


@dataclass(frozen=True)
class Picture:
    """A picture's name, how the page is reached, and by whom; a page without dark colours has one scheme."""

    name: str
    show: Show
    user: str = "op"
    schemes: tuple[str, ...] = ("light", "dark")
    width: int = 1280
    height: int = 800


def _at(place: str) -> Show:
    def show(person: Visitor, stack: Stack) -> None:
        person.page.goto(f"/evbilling{place}")

    return show


def _failed(stack: Stack) -> str:
    """The newest failed statement with an amount that looks like one."""
    ((found,),) = stack.finance(
        """select statement_id from finance.statements
           where status = %s and kind = 'connector' and period = %s and currency = 'EUR'
           order by total_amount desc limit 1""",
        FAILED,
        str(LAST),
    )
    return str(found)


def _account(stack: Stack) -> str:
    ((found,),) = stack.finance("select account_id from finance.statements where statement_id = %s", _failed(stack))
    return str(found)


def _menu(person: Visitor, stack: Stack) -> None:
    person.page.goto(f"/evbilling/statements?type=connector&status=billing-failure&period={LAST}")
    person.page.locator("details.menu summary").first.click()


def _selected(person: Visitor, stack: Stack) -> None:
    person.page.goto(f"/evbilling/statements?type=connector&status=billing-failure&period={LAST}&sort=-balance")
    for number in range(3):
        person.page.locator("input[name=statement]").nth(number).check()
    person.page.get_by_role("button", name="Mark as Paid").click()
    person.page.locator("dialog[open] form").wait_for()


def _in_airflow(person: Visitor, stack: Stack) -> None:
    person.page.goto("/plugin/ev-statements")
    person.page.frame_locator("iframe").locator("table.statements tbody tr").first.wait_for()


def _statement(person: Visitor, stack: Stack) -> None:
    person.page.goto(f"/evbilling/statements/{_failed(stack)}")


def _account_statement(person: Visitor, stack: Stack) -> None:
    ((found,),) = stack.finance(
        "select statement_id from finance.statements where kind = 'account' and account_id = %s and period = %s",
        _account(stack),
        str(LAST),
    )
    person.page.goto(f"/evbilling/statements/{found}")


def _rebill(person: Visitor, stack: Stack) -> None:
    _statement(person, stack)
    person.page.get_by_role("link", name="Re-Bill", exact=True).click()
    person.page.locator("dialog[open] form").wait_for()


def _preview(person: Visitor, stack: Stack) -> None:
    page = person.page
    page.goto(f"/evbilling/accounts/{_account(stack)}")
    page.locator("#preview table").wait_for()
    fee = page.get_by_label("Fee per connector and month")
    fee.fill(f"{float(fee.input_value()) + 1.2:.2f}")
    page.get_by_label("Exclude Private").set_checked(not page.get_by_label("Exclude Private").is_checked())
    page.locator("#preview .difference").get_by_text("than under the current setting").wait_for()


def _validation(person: Visitor, stack: Stack) -> None:
    ((run_id,),) = stack.admin("warehouse", "select max(run_id) from billing.validation_result")
    person.page.goto(f"/evbilling/validation/{run_id}")


def _pdf(person: Visitor, stack: Stack) -> None:
    """The document's first page, drawn as the PDF says."""
    answer = person.page.request.get(f"/evbilling/statements/{_failed(stack)}.pdf")
    person.page.set_content('<style>body{margin:0}img{width:100%;display:block}</style><img alt="">')
    put = "(image, data) => { image.src = data; return image.decode(); }"
    person.page.locator("img").evaluate(put, _drawn(answer.body()))


def _drawn(pdf: bytes) -> str:
    """The first page as an address that an image can have: a BMP, whose header is all that it takes."""
    bitmap = pypdfium2.PdfDocument(pdf)[0].render(scale=2, force_bitmap_format=pypdfium2.raw.FPDFBitmap_BGRx)
    pixels = bytes(bitmap.buffer)
    # A negative height: the first row comes first.
    header = struct.pack(
        "<2sIHHIIiiHHIIiiII",
        b"BM",
        54 + len(pixels),
        0,
        0,
        54,
        40,
        bitmap.width,
        -bitmap.height,
        1,
        32,
        0,
        len(pixels),
        0,
        0,
        0,
        0,
    )
    return "data:image/bmp;base64," + base64.b64encode(header + pixels).decode()


PICTURES = (
    Picture("statements", _menu, height=1000),
    Picture("in-airflow", _in_airflow, schemes=("light",)),
    Picture("mark-as-paid", _selected),
    Picture("due", _at("/due"), height=1000),
    Picture("statement", _statement, height=1100),
    Picture("account-statement", _account_statement, height=1000),
    Picture("rebill", _rebill),
    Picture("accounts", _at("/accounts")),
    Picture("account", _preview, height=1100),
    Picture("months", _at("/months")),
    Picture("month", _at(f"/months/{LAST}"), height=1500),
    Picture("month-waiting", _at(f"/months/{WAITS}"), height=1300),
    Picture("mail", _at("/mail")),
    Picture("payments", _at("/payments")),
    Picture("books", _at("/books")),
    Picture("validation", _validation, schemes=("light",)),
    Picture("statements-narrow", _menu, schemes=("light",), width=390, height=780),
    Picture("statement-pdf", _pdf, schemes=("light",), width=820, height=1160),
)
