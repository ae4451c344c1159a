import numpy as np
import pandas as pd

from recsys_nn import BiasConfig
from recsys_nn.advice.doctor.pitfalls import predictions
from tests.advice.cases import evidence, predicted


def found(pitfall, case_):
    return list(pitfall(case_))


def test_predictions_that_are_nearly_constant():
    constant = predicted().assign(prediction=3.0)
    (finding,) = found(predictions.nearly_constant, evidence(tables={"test": constant}))
    assert finding.evidence == "On the test part, predictions have standard deviation 0, and ratings 1.41."
    assert not found(predictions.nearly_constant, evidence())
    assert not found(predictions.nearly_constant, evidence(tables={"test": constant}, model=BiasConfig()))


def test_worse_than_the_biases():
    tables = {"validation": predicted(error=1.0, bias_error=0.8)}
    (finding,) = found(predictions.worse_than_bias, evidence(tables=tables))
    assert finding.evidence == (
        "On 1,000 ratings of the validation part, the model has RMSE 1.0000, the biases 0.8000."
    )
    assert not found(predictions.worse_than_bias, evidence())


def test_a_difference_within_a_standard_error_is_none():
    table = predicted(bias_error=0.0)
    noise = np.random.default_rng(0).normal(size=len(table))
    table["prediction"] = table["rating"] + 1.001 * noise
    table["bias_baseline"] = table["rating"] + np.roll(noise, 1)
    assert not found(predictions.worse_than_bias, evidence(tables={"test": table}))


def test_many_unknown_ids_in_the_test_part():
    table = predicted(10, user_ratings=[0, 0, 0, *[5] * 7], item_ratings=[5, 5, 0, 0, *[5] * 6])
    (finding,) = found(predictions.unknown_ids, evidence(tables={"test": table}))
    assert finding.evidence == (
        "40.0% of 10 ratings of the test part have unknown ids: 2 an unknown user, 1 an unknown item, 1 both."
    )
    assert not found(predictions.unknown_ids, evidence())


def test_many_unknown_ids_at_prediction():
    asked = pd.DataFrame({"source": ["model", "item", "item", "user"]})
    (finding,) = found(predictions.unknown_ids, evidence().with_pairs(asked))
    assert finding.evidence == (
        "75.0% of 4 pairs to be predicted have unknown ids: 2 an unknown user, 1 an unknown item, 0 both."
    )
    assert not found(predictions.unknown_ids, evidence().with_pairs(asked[:1]))
