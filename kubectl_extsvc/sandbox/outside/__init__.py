"""What is outside the sandbox's cluster."""
