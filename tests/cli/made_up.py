"""Settings of commands whose results are made up."""

from recsys_nn.data.table_format import TableFormat

CONFIG = {"data": {"source": "synthetic"}, "model": {"kind": "svd"}, "output": "run"}
SEARCHED = {"model.embedding_dim": [1, 8], "training.learning_rate": {"low": 0.001, "high": 0.1}}
LAYOUT = TableFormat(user="who", item=1, separator=";", header=True)
LAID_OUT = ("--user", "who", "--item", "1", "--separator", ";", "--header")
PLACE = "the run of 2026 whose name is too long for a line of a terminal that has 80 columns in all"
"""What a terminal would colour and wrap, unless it is told not to."""
