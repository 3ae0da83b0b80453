"""Mail to financial admins: the outbox, the letters, the conversation with the mail server."""
