"""From a dataset and a network to a trained network. Taught by notebook 3."""
