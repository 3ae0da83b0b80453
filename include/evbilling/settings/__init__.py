"""Billing settings of an account: effective-dated by period, append-only, with who and when."""
