"""One file a screen: its keys, its layout, and which pure function says what it shows."""
