"""The databases of single cells: what each holds, how it is fetched and how it is read."""

from bloodseg_lib.samples.sources.catalog import DATABASES, entry, reader, table
from bloodseg_lib.samples.sources.database_entry import DatabaseEntry
from bloodseg_lib.samples.sources.download import fetch

__all__ = ["DATABASES", "DatabaseEntry", "entry", "fetch", "reader", "table"]
