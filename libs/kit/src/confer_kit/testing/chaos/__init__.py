"""Chaos: everything that can break breaks, and what every client saw is compared with the log, byte for byte."""
