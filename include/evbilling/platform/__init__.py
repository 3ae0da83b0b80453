"""The charging platform's five tables as files or as the demo database: read, checked, loaded, made up."""
