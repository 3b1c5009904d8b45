"""The eight symmetries of the pixel grid form the group that their names say."""

import pytest
import torch

from pnp_priors.symmetries import INVERSES, NAMES, turn

SHEET = torch.tensor([[1, 2, 3], [4, 5, 6]])
#: written out by hand
EXPECTED = {
    "identity": [[1, 2, 3], [4, 5, 6]],
    "rotation 90°": [[3, 6], [2, 5], [1, 4]],
    "rotation 180°": [[6, 5, 4], [3, 2, 1]],
    "rotation 270°": [[4, 1], [5, 2], [6, 3]],
    "flip left-right": [[3, 2, 1], [6, 5, 4]],
    "transposition": [[1, 4], [2, 5], [3, 6]],
    "flip up-down": [[4, 5, 6], [1, 2, 3]],
    "anti-transposition": [[6, 3], [5, 2], [4, 1]],
}


def test_each_is_what_its_name_says() -> None:
    assert {name: turn(SHEET, i).tolist() for i, name in enumerate(NAMES)} == EXPECTED


@pytest.mark.parametrize("index", range(8))
def test_each_has_its_inverse(index: int) -> None:
    assert torch.equal(turn(turn(SHEET, index), INVERSES[index]), SHEET)
    assert torch.equal(turn(turn(SHEET, INVERSES[index]), index), SHEET)
