"""The U-Net, its loss and scores, its file and its backend. Taught by notebook 2."""
