"""What a sweep found: figures, and one page to look through."""
