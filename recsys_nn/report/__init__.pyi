from .page import Report as Report
from .page import build_report as build_report
from .page import default_place as default_place
