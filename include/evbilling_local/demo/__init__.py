"""The demo: a made-up month billed and closed by the real scheduler, and what finance then sees."""
