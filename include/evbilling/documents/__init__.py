"""What statements look like on paper and in mail: formats of the account's country, PDFs."""
