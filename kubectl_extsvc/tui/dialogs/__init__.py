"""One file a dialog: what it asks, and what it shows of the answer before anything is done."""
