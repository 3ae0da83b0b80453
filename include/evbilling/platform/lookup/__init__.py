"""Looking a few things up at the platform for a page, wherever its tables are."""
