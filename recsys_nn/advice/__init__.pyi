from .doctor.diagnose import diagnose as diagnose
from .doctor.evidence import Evidence as Evidence
from .doctor.finding import Diagnosis as Diagnosis
from .doctor.finding import Finding as Finding
from .doctor.pitfalls import register_pitfall as register_pitfall
from .suggest.suggesting import suggest as suggest
from .suggest.suggestion import Suggestion as Suggestion
