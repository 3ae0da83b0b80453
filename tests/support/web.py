"""What the tests of pages share besides their fixtures."""

from __future__ import annotations

PREFIX = "/evbilling"
# What a browser says that it wants.
HTML = {"accept": "text/html,application/xhtml+xml"}
# Of SimpleAuthManager, each with all rights of those before it.
ROLES = ("viewer", "user", "op", "admin")

# A new page has to be written down here, with the least role that gets it.
TABLE = [
    ("GET", "/static/app.css", "viewer"),
    ("GET", "/due", "viewer"),
    ("GET", "/due.csv", "viewer"),
    ("GET", "/statements", "viewer"),
    ("GET", "/statements.csv", "viewer"),
    ("GET", "/statements/A-202611-000001", "viewer"),
    ("GET", "/statements/A-202611-000001.pdf", "viewer"),
    ("GET", "/statements/A-202611-000001/lines.csv", "viewer"),
    ("GET", "/validation/7", "viewer"),
    ("GET", "/months", "viewer"),
    ("GET", "/months/2026-11", "viewer"),
    ("POST", "/months/2026-11/decision", "user"),
    ("GET", "/months/2026-11/plan", "viewer"),
    ("GET", "/service-levels", "viewer"),
    ("POST", "/service-levels", "op"),
    ("GET", "/accounts", "viewer"),
    ("GET", "/accounts/a", "viewer"),
    ("GET", "/accounts/a/preview", "viewer"),
    ("POST", "/accounts/a", "op"),
    ("GET", "/approval", "viewer"),
    ("POST", "/approval", "op"),
    ("GET", "/missed-months", "viewer"),
    ("POST", "/missed-months", "op"),
    ("GET", "/missed-months/policy", "viewer"),
    ("POST", "/missed-months/policy", "op"),
    ("GET", "/missed-months/take-back?period=2026-11", "viewer"),
    ("POST", "/missed-months/take-back", "op"),
    ("GET", "/actions/rebill", "viewer"),
    ("POST", "/actions/rebill", "user"),
    ("GET", "/actions/mark-as-paid", "viewer"),
    ("POST", "/actions/mark-as-paid", "user"),
    ("GET", "/actions/undo-mark-as-paid", "viewer"),
    ("POST", "/actions/undo-mark-as-paid", "user"),
    ("GET", "/actions/acknowledge-refund", "viewer"),
    ("POST", "/actions/acknowledge-refund", "user"),
    ("GET", "/actions/correct", "viewer"),
    ("POST", "/actions/correct", "user"),
    ("GET", "/actions/bill-month?period=2026-11", "viewer"),
    ("POST", "/actions/bill-month", "user"),
    ("GET", "/actions/adjust-statement", "viewer"),
    ("POST", "/actions/adjust-statement", "user"),
    ("GET", "/actions/write-off", "viewer"),
    ("POST", "/actions/write-off", "user"),
    ("GET", "/actions/refund-payment", "viewer"),
    ("POST", "/actions/refund-payment", "user"),
    ("GET", "/actions/refund-outside", "viewer"),
    ("POST", "/actions/refund-outside", "user"),
    ("GET", "/actions/send-mail", "viewer"),
    ("POST", "/actions/send-mail", "user"),
    ("GET", "/runs/nothing/7", "viewer"),
    ("GET", "/mail", "viewer"),
    ("GET", "/mail/7", "viewer"),
    ("GET", "/mail/7/1/letter", "viewer"),
    ("GET", "/mail/7/1/attachment", "viewer"),
    ("GET", "/mail/7/1/message", "viewer"),
]
