"""The pages in Airflow's navigation and in ours. Every Airflow process imports this, so it needs nothing."""

from __future__ import annotations

# Path below the app, and name.
NAVIGATION = (
    ("/statements", "Driver Statements"),
    ("/months", "Months"),
    ("/accounts", "Account Billing"),
    ("/approval", "Approval"),
    ("/mail", "Mail"),
    ("/payments", "Payments"),
    ("/books", "Books"),
)
