"""The commands of ``dynamics``, one in each file: thin functions that ask and print."""
