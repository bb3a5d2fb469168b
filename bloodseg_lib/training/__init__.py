"""From a dataset and a network to a trained network. Taught by notebook 3.

The names of ``__init__.pyi`` are loaded when they are first used, so that Keras starts only then.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
