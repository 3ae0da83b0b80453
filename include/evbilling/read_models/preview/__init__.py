"""What proposed billing terms would come to for one account, what corrections would, and what a month still misses."""

from evbilling.read_models.preview.corrections import CorrectionPreview, preview_corrections
from evbilling.read_models.preview.forgiving import MissedAmount, preview_missed
from evbilling.read_models.preview.missing import (
    MissingStatement,
    MonthPlan,
    MonthToBill,
    month_to_bill,
    preview_missing,
)
from evbilling.read_models.preview.preview import Preview
from evbilling.read_models.preview.reading import preview_terms

__all__ = [
    "CorrectionPreview",
    "MissedAmount",
    "MissingStatement",
    "MonthPlan",
    "MonthToBill",
    "Preview",
    "month_to_bill",
    "preview_corrections",
    "preview_missed",
    "preview_missing",
    "preview_terms",
]
