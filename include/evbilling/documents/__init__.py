"""Statements as PDFs, and amounts and dates as the account's locale writes them."""

from evbilling.documents.fonts import FontMissing
from evbilling.documents.formats import day, day_of, instant, money, month, number, percent
from evbilling.documents.heading import Issuer
from evbilling.documents.pdf import statement_pdf
from evbilling.documents.renderer import Renderer

__all__ = [
    "FontMissing",
    "Issuer",
    "Renderer",
    "day",
    "day_of",
    "instant",
    "money",
    "month",
    "number",
    "percent",
    "statement_pdf",
]
