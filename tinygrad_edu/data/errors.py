"""The one exception of the data loaders."""


class DataError(Exception):
    """A data file or folder is missing, damaged, or could not be fetched.

    The message says what was expected, what came instead, and what to do about it. Its first line stands on its own,
    so that a caller with little room (a table, a one-line notice) can show that line alone.
    """
