"""Execution of a run from its config, and comparison or blend of several runs."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
