"""Pictures: arrays, matplotlib figures, GIFs, figures to play with. Taught by notebook 5."""

import lazy_loader

# Lazy: an overlay needs no matplotlib, which starts slowly.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
