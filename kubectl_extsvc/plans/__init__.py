"""Wanted objects of an alias, and the difference to what is there. No I/O."""
