"""A package, so that the stack ends with the last of these tests."""
