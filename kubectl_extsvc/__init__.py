"""kubectl extsvc: in-cluster DNS aliases for external services. Importing this package imports nothing else."""

__version__ = "0.1.0"
