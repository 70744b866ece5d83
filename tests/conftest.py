"""What all tests have: the clusters, and a watch over skips."""

pytest_plugins = ["clusters", "strict_skips"]
