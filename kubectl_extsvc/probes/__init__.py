"""The argv of a question, and the reading of its answer. No I/O."""
