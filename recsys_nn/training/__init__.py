"""Training of a Keras model on tensors: settings, engines, optimizers, checkpoints; knows neither ids nor ratings."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
