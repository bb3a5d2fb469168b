"""The ipywidgets panel: an image in, named and counted cells out. Taught by notebook 6."""
