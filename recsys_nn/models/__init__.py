"""Model kinds: a frozen config and a builder each, registered by name when this package is imported."""

from lazy_loader import attach_stub

from recsys_nn.models import autorec, baseline, fm, interactions, ncf, svd, svdpp

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
