"""Account statements at the month's end: what is listed, what is brought forward, and what an account owes in all."""
