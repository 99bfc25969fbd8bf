"""The steps at which fault tests kill a worker are named in one table; what the product has no more is told at once."""

from tests.support.at_moments import kill_moments


def test_every_named_step_and_number_is_one_of_the_product() -> None:
    """Else a moment would never come, or a test be slow, and nobody knew why."""
    assert kill_moments.missing() == []
