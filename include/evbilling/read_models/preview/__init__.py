"""What a billing month would come to for one account under proposed terms."""
