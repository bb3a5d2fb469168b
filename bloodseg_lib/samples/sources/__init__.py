"""The databases of single cells: what each holds, how it is fetched and how it is read."""
