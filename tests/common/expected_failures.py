"""Checks that a kind does not pass, by kind and name of the check, each with the reason; all others it must pass."""

SMALL_STEPS = "gradients of ratings this small are not large beside Adam's ε, so that its steps are shorter"
IN_RATING_UNITS = "its factors begin with a spread in rating units (init_std), and so elsewhere on another scale"

BY_STEPS = ("autorec", "bspline", "deepfm", "kernel", "neumf", "polynomial")
UNITS = ("huge_ratings", "negative_fractions", "tiny_ratings")

EXPECTED_FAILURES: dict[str, dict[str, str]] = {
    **{kind: {"check_tiny_ratings_are_predicted_alike": SMALL_STEPS} for kind in BY_STEPS},
    **{kind: {f"check_{name}_are_predicted_alike": IN_RATING_UNITS for name in UNITS} for kind in ("svd", "svdpp")},
}
