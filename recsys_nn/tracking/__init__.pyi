from .callback import EpochTracking as EpochTracking
from .session import tracked as tracked
from .session import trackers_of as trackers_of
from .tracker import Tell as Tell
from .tracker import flat as flat
