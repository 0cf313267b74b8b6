"""What stops a command: one sentence for the person at the keyboard, exit code 1, no stack trace."""


class Trouble(Exception):  # noqa: N818 - the sentence is the point
    """`str(trouble)` says what is wrong and what to do about it."""
