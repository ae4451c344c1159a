import yaml

from recsys_nn import RunConfig, load_config
from recsys_nn.advice.suggest.suggestion import WIDTH, Choice, Suggestion

CHOICES = [
    Choice("refit", True, "At the end."),
    Choice("model.kind", "mlp", "A tower " + 30 * "of layers " + "over both vectors."),
    Choice("training.learning_rate", 1e-05, "Small."),
    Choice("model.widths", [8, 4], "They halve."),
    Choice("model.l2", None, "By rule."),
    Choice("seed", 3, "As given."),
    Choice("data.source", "ratings: new.csv", "Where they are."),
    Choice("data.split", {"kind": "temporal", "validation": 0.1, "test": 0.2}, "The future."),
    Choice("ensemble", {"samples": 5, "thin": 2}, "An average."),
]
SUGGESTION = Suggestion.of("For a test.", CHOICES)


def test_sections_stand_in_the_order_of_a_config():
    keys = [choice.key for choice in SUGGESTION.choices]
    assert keys == [
        *("seed", "data.source", "data.split", "model.kind", "model.widths", "model.l2"),
        *("training.learning_rate", "ensemble", "refit"),
    ]


def test_the_config_has_every_choice():
    config = SUGGESTION.config
    assert isinstance(config, RunConfig)
    assert (config.seed, config.data.source, config.refit) == (3, "ratings: new.csv", True)
    assert config.data.split.kind == "temporal"
    assert config.model.widths == (8, 4)
    assert config.training.learning_rate == 1e-05
    assert config.ensemble.samples == 5


def test_the_yaml_reads_back_equal(tmp_path):
    (tmp_path / "suggested.yaml").write_text(SUGGESTION.to_yaml(), encoding="utf-8")
    assert load_config(tmp_path / "suggested.yaml") == SUGGESTION.config


def test_every_line_has_its_reason_above_it():
    lines = SUGGESTION.to_yaml().splitlines()
    assert lines[0] == "# For a test."
    reason, seen = [], []
    for line in lines[1:]:
        if line.lstrip().startswith("# "):
            reason.append(line.lstrip()[2:])
        elif not line.endswith(":"):  # the name of a section
            seen.append(" ".join(reason))
            reason = []
    assert seen == [choice.reason for choice in SUGGESTION.choices]
    assert max(map(len, lines)) <= WIDTH


def test_a_section_is_opened_once_and_values_stand_on_one_line():
    text = SUGGESTION.to_yaml()
    assert text.count("model:\n") == text.count("data:\n") == 1
    assert "\n  widths: [8, 4]\n" in text
    assert "\n  l2: null\n" in text
    assert "\nensemble: {samples: 5, thin: 2}\n" in text
    assert yaml.safe_load(text)["data"]["source"] == "ratings: new.csv"


def test_reasons_are_a_table():
    table = SUGGESTION.reasons
    assert list(table.columns) == ["key", "value", "reason"]
    assert len(table) == len(CHOICES)
    assert table.set_index("key").loc["model.widths", "reason"] == "They halve."
