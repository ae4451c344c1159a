"""Predictors: a trained model with its encoder, all that it can be asked, and its run folder."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
