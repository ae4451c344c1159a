"""Report on a run, or on several side by side, as one HTML page."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
