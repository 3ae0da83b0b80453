"""The demo platform database: its tables, filled from files or with a made-up platform."""
