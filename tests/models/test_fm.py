from recsys_nn import DeepFMConfig, FMConfig
from tests.models.contract import LayersContract, NetworkContract


class TestFM(NetworkContract):
    config = FMConfig(embedding_dim=8)


class TestDeepFM(LayersContract):
    config = DeepFMConfig(embedding_dim=8, activation="tanh", dropout=0.0)
