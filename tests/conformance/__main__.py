"""``python -m tests.conformance``: write the table anew."""

from .table import TABLE, table

TABLE.write_text(table())
