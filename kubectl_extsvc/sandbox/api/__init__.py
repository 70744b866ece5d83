"""The Kubernetes API of the sandbox."""
