"""What should have happened by when: the page with every service level, and the line that all pages carry."""
