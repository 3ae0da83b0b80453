"""Connector statements: what each account owes (pure), and the steps of a month that read, stage and publish."""
