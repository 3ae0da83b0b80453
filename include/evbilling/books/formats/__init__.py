"""The formats of a journal: each makes the same file of the same postings and chart, whenever it is asked."""

from evbilling.books.formats.batch import Batch, Format
from evbilling.books.formats.registry import FORMATS

__all__ = ["FORMATS", "Batch", "Format"]
