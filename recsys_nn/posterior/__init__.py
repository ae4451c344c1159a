"""The average over samples of the posterior, from a network that is trained."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
