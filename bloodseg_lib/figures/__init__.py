"""Pictures: arrays, matplotlib figures and GIFs. Taught by notebook 5."""
