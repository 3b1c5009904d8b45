"""The diffusion term's nodes: strips of any number of rows, small and large images."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

from pnp_priors.export.graphs.layers import mirrored
from pnp_priors.export.graphs.priors.diffusion_term import FEWEST_ROWS, Table, diffusion_term
from pnp_priors.export.graphs.restorations.builder import Graph

ENTRIES, FILTERS, SIZE = 40, 3, 5
MIDDLE = ENTRIES / 2


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def by_definition(x: np.ndarray, kernel: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Response by response, force by force."""
    _, channels, rows, columns = x.shape
    full = np.zeros((channels, rows, columns))
    filters = np.arange(FILTERS)
    for i in range(rows - SIZE + 1):
        for j in range(columns - SIZE + 1):
            patch = x[0, :, i : i + SIZE, j : j + SIZE].astype(np.float64)
            position = (kernel * patch).sum(axis=(1, 2, 3)) + MIDDLE
            position = position.clip(0, ENTRIES - 1)
            index = position.astype(int)
            force = lines[0, filters, index] + position * lines[1, filters, index]
            full[:, i : i + SIZE, j : j + SIZE] += np.einsum("n,ncyx->cyx", force, kernel)
    return full[None]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("strips", [1, 2, 5])
def test_strips(channels: int, strips: int) -> None:
    kernel = random(FILTERS, channels, SIZE, SIZE)
    # Continuous functions, so that rounding at an entry does not matter.
    values = np.cumsum(random(FILTERS, ENTRIES), axis=1)
    slopes = np.diff(values, axis=1, append=values[:, -1:])
    lines = np.stack([values - np.arange(ENTRIES) * slopes, slopes]).astype(np.float32)
    graph = Graph()
    x = graph.input("x", [1, channels, "rows", "columns"])
    table = Table(*(graph.constant(part, np.float32) for part in lines), ENTRIES)
    size = x.size(2), x.size(3) - 2 * (SIZE - 1)
    term = diffusion_term(x, size, kernel, MIDDLE, table, strips)
    model = graph.model("term", "term", term, [1, channels, "rows", "width"])
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    reach = SIZE - 1
    for rows, columns in (
        (9, 9),
        (FEWEST_ROWS + reach, 11),
        (strips * FEWEST_ROWS + 5, 9),
        (97, 10),
    ):
        image = random(1, channels, rows, columns)
        (found,) = session.run(None, {"x": image})
        assert found.shape == (1, channels, rows, columns - 2 * reach)
        expected = by_definition(image, kernel, lines)[..., reach:-reach]
        inside = slice(reach, -reach)
        np.testing.assert_allclose(found[:, :, inside], expected[:, :, inside], atol=2e-4)


@pytest.mark.parametrize("pad", [1, 6])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (9, 14)])
def test_mirrored(pad: int, size: tuple[int, int]) -> None:
    graph = Graph()
    x = graph.input("x", ["batch", "channels", "height", "width"])
    model = graph.model("mirror", "y", mirrored(x, pad), ["batch", "channels", None, None])
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = random(2, 1, *size)
    (found,) = session.run(None, {"x": image})
    np.testing.assert_array_equal(
        found, np.pad(image, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="symmetric")
    )
