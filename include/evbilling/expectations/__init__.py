"""The Great Expectations suites of a month, as functions; their results, and the page that shows them."""
