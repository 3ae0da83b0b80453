"""What one statement says, for its page, its PDF and its mail."""
