"""The commands of the local environment, registered by `evbilling_local.commands`."""
