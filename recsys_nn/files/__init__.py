"""Reading and writing files, strictly and whole or not at all; knows no ratings."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
