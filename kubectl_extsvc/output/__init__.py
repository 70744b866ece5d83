"""Reports and plans as text; one more format is one more row."""
