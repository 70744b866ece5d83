"""What a command in a container of the sandbox does."""
