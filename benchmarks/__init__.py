"""Speed, measured side by side with what people would use instead: ``python -m benchmarks``.

A file per group of rows; ``rows.py`` lists them, ``timing.py`` takes the times, ``table.py`` and
``chart.py`` show them. Nothing here is part of the package.
"""
