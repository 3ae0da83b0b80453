"""The page that says why one connector was billed, or wasn't."""
