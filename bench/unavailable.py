"""What is said when something cannot be had on this machine; below all that may say it."""


class Unavailable(Exception):
    """A subject cannot be measured on this machine; the text says why."""
