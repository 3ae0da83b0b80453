"""Chargers and connectors as a run reads them: counted at each account's instant, split into shards."""
