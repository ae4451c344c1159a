"""Ids and features to table rows, and what is learnt of the training ratings before any model."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
