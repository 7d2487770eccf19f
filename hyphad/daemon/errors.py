"""What ends a start."""


class StartFailed(Exception):
    """The daemon cannot start; the text says why and what to do."""
