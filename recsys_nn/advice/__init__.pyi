from .doctor.diagnose import diagnose as diagnose
from .doctor.finding import Diagnosis as Diagnosis
from .doctor.finding import Finding as Finding
from .suggest.suggesting import suggest as suggest
from .suggest.suggestion import Suggestion as Suggestion
