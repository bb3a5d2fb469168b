"""From single cells to composed smears, and to a dataset of them on disk. Taught by notebook 1."""
