from recsys_nn import AutoRecConfig
from tests.models.contract import NetworkContract


class TestItemBased(NetworkContract):
    config = AutoRecConfig(embedding_dim=16)


class TestUserBased(NetworkContract):
    config = AutoRecConfig(side="user", embedding_dim=16, activation="tanh")
