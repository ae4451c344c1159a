from recsys_nn import Encoder
from recsys_nn.encoding.state import SOURCES, source_codes, training_counts
from tests.models.contract import twenty_ratings


def test_a_prediction_rests_on_what_was_rated_in_training():
    encoder = Encoder.fit(twenty_ratings())
    codes = source_codes(training_counts(encoder, encoder.encode_pairs([0, 0, 9, 9], [100, 999, 100, 999])))
    assert [SOURCES[code] for code in codes] == ["model", "user", "item", "global"]
