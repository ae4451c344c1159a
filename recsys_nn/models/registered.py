"""Importing this registers every layer and optimizer of the package with Keras, for ``keras.models.load_model``."""

from importlib import import_module
from pkgutil import iter_modules

from recsys_nn import training
from recsys_nn.models import layers

for _module in iter_modules(layers.__path__, f"{layers.__name__}."):
    import_module(_module.name)
OPTIMIZERS = (training.LazyAdam, training.RowwiseAdagrad, training.RowwiseSGD)
