from recsys_nn import AutoRecConfig
from tests.models.contract import LayersContract


class TestItemBased(LayersContract):
    config = AutoRecConfig(embedding_dim=16)


class TestUserBased(LayersContract):
    config = AutoRecConfig(side="user", embedding_dim=16, activation="tanh")
