"""What pages, PDFs and mail read from the warehouse; nothing here writes."""
