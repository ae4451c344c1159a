from .folder_prediction import predict_folder as predict_folder
from .jobs import answered_here as answered_here
from .jobs import jobs_on_workers as jobs_on_workers
from .ray_session import check_seen as check_seen
from .ray_session import connected as connected
from .scaling_hint import ClusterHint as ClusterHint
from .training import fit_on_workers as fit_on_workers
