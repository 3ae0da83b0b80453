"""One billing month at a glance: its figures and its state in words."""

from evbilling.read_models.month.figures import (
    AgeFigure,
    BilledMonth,
    Check,
    FailureFigure,
    LeftOut,
    MonthOverview,
    StatusFigure,
)
from evbilling.read_models.month.progress import StepUnderWay, steps_under_way
from evbilling.read_models.month.reading import failure_on_record, month_overview, months
from evbilling.read_models.month.state import month_state

__all__ = [
    "AgeFigure",
    "BilledMonth",
    "Check",
    "FailureFigure",
    "LeftOut",
    "MonthOverview",
    "StatusFigure",
    "StepUnderWay",
    "failure_on_record",
    "month_overview",
    "month_state",
    "months",
    "steps_under_way",
]
