"""One file per story: order, limits and deadlines. What runs at the same time is decided here."""
