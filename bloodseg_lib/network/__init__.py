"""The U-Net, its loss and scores, its file and its backend. Taught by notebook 2."""

import lazy_loader

# Lazy: importing a module of this folder that needs no Keras must not start it.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
