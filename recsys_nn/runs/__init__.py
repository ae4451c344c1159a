"""What a run reads, keeps while it is unfinished, gives, and has left in its folder."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
