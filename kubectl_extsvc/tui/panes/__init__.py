"""What the tabs of an alias say: one pure function each, from an AliasView to Lines."""
