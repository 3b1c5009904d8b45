"""The images of the examples, by name."""

import pytest
import torch

from pnp_priors import samples
from pnp_priors.errors import UnknownNameError

SHAPES = {
    "astronomy": (1, 1, 384, 384),
    "document": (1, 1, 448, 384),
    "microscopy": (1, 1, 384, 384),
    "photo": (1, 3, 256, 256),
}


def test_all_are_there():
    assert samples.available() == list(SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_they_are_as_documented(name):
    image = samples.load(name)
    assert image.shape == SHAPES[name]
    assert image.dtype == torch.float32
    assert image.min() >= 0
    assert 0.9 < image.max() <= 1
    assert (samples.path(name).parent / "README.md").is_file()


@pytest.mark.parametrize("call", [samples.load, samples.path])
def test_an_unknown_one_lists_the_known(call):
    with pytest.raises(UnknownNameError, match="sample image 'foto': nearest: photo"):
        call("foto")
