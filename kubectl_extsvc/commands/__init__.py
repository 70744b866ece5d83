"""One file per verb: its flags, its request, its exit code."""
