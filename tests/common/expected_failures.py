"""Checks that a kind does not pass, by kind and name of the check, each with the reason; all others it must pass."""

EXPECTED_FAILURES: dict[str, dict[str, str]] = {}
