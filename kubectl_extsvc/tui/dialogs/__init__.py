"""One file a dialog: pure functions that say what it shows, and the modal screen that shows it."""
