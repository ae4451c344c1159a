from .limits import Limits as Limits
from .server import serve as serve
