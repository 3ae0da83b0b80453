"""The list of statements: its filters, its pages, its totals and its CSV."""
