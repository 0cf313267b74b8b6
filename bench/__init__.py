"""The bench: the edge beside others, measured in one run (README.md)."""
