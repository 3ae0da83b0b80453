"""Collecting what statements come to: the gateway, attempts, retries, operators' actions, reconciliation."""
