import base64
import io
import re

import matplotlib.image
import pandas as pd

from recsys_nn import Curve
from recsys_nn.plots import new_figure


def test_a_notebook_shows_the_figure_and_the_table():
    with new_figure("title", "x", "y") as (figure, _):
        pass
    shown = Curve(pd.DataFrame({"dim": [2, 4], "rmse": [0.91234, 0.9]}), {"best": 4}, figure)._repr_html_()
    image = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', shown)[1])
    width, height = figure.get_size_inches()
    assert matplotlib.image.imread(io.BytesIO(image)).shape[:2] == (round(110 * height), round(110 * width))
    assert re.findall(r"<td>(.*?)</td>", shown) == ["2", "0.9123", "4", "0.9"]
