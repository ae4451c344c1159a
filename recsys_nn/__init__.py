"""Rating prediction with latent-factor and neural models in Keras.

Everything public is listed in ``__init__.pyi``, for type checkers and editors as at run time, and is loaded when first
used, so that importing the package costs nothing and TensorFlow comes in only with the first model.
"""

from lazy_loader import attach_stub

from recsys_nn._version import __version__ as __version__

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
