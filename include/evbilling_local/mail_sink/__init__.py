"""A mail server for the local stack that delivers nothing: it keeps what it is sent, and shows it on a page."""
