"""Pictures of the pages for the documents: not tests, but made by what the tests have."""
