from .config import PosteriorConfig as PosteriorConfig
from .sample import sample_posterior as sample_posterior
from .sample import tempered as tempered
