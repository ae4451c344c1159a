from recsys_nn import SVDPPConfig
from tests.models.contract import NetworkContract


class TestSVDPP(NetworkContract):
    config = SVDPPConfig(embedding_dim=8, set_l2=0.01)
