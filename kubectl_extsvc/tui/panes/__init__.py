"""The panes of the alias screen, a pure function each: what is known of one alias → lines."""
