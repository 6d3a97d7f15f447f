"""What the sources share: how one says that it has not got a dataset, so that the next is tried."""


class UnavailableError(Exception):
    """A source has not got the dataset. The text says what it looked for, in a sentence.

    It is not for a dataset that is there but damaged: that is a DataError, and ends the search.
    """
