"""What operators do: Re-Bill, Mark as Paid and its undo."""
