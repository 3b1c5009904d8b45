"""Effective receptive fields: closed forms, and that no prior looks further than its card says."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import pnp_priors
from pnp_priors import registry
from pnp_priors.analysis import ReceptiveField, over_sigma, receptive_field
from pnp_priors.analysis._receptive_field_picture import draw
from pnp_priors.errors import InputError
from pnp_priors.priors.base import Prior, Task

Scene = Callable[..., Tensor]


class Linear(Prior):
    """Convolutions with the same kernel ``[C, C, k, k]``, one after the other."""

    def __init__(self, kernel: Tensor, times: int, sigma_range: tuple[float, float] = (0, 1)):
        super().__init__(len(kernel), sigma_range)
        self.kernel, self.times = torch.nn.Parameter(kernel, requires_grad=False), times

    @property
    def receptive_field(self) -> int:
        return self.times * (self.kernel.shape[-1] - 1) + 1

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        for _ in range(self.times):
            x = F.conv2d(x, self.kernel, padding=self.kernel.shape[-1] // 2)
        return x


def box(size: int) -> Tensor:
    return torch.full((1, 1, size, size), 1 / size**2, dtype=torch.float64)


def convolved(size: int, times: int) -> list[float]:
    """A box of this size, convolved with itself: by hand."""
    line = [1.0]
    for _ in range(times):
        longer = [0.0] * (len(line) + size - 1)
        for i, value in enumerate(line):
            for j in range(size):
                longer[i + j] += value / size
        line = longer
    return line


@pytest.mark.parametrize(("size", "times"), [(3, 1), (3, 6), (5, 4)])
def test_repeated_boxes_give_their_convolution(size: int, times: int) -> None:
    field = receptive_field(Linear(box(size), times).double(), crops=1)
    line = torch.tensor(convolved(size, times), dtype=torch.float64)
    reach = len(line) // 2
    middle = len(field.map) // 2
    inside = slice(middle - reach, middle + reach + 1)
    torch.testing.assert_close(field.map[inside, inside], line[:, None] * line)
    assert field.support == field.theoretical == len(line)
    assert len(field.map) > len(line), "there is a margin in which nothing was found"
    assert field.map.sum().item() == pytest.approx(1)
    # A box of k pixels has the variance (k² - 1) / 12, and variances add.
    assert field.spread == pytest.approx(math.sqrt(times * (size**2 - 1) / 12))


def test_sizes_by_counting() -> None:
    field = receptive_field(Linear(box(3), 8).double(), crops=1)
    values = field.map.tolist()
    half = len(values) // 2
    largest = max(map(max, values))
    assert field.effective**2 == pytest.approx(
        sum(value > (1 - 0.9545) * largest for row in values for value in row)
    )
    assert field.share == field.effective / 17

    def within(reach: int) -> float:
        rows = values[half - reach : half + reach + 1]
        return sum(sum(row[half - reach : half + reach + 1]) for row in rows)

    reach = field.enclosing // 2
    assert field.enclosing % 2 == 1
    assert within(reach) >= 0.9545 > within(reach - 1)


def test_deeper_networks_use_a_smaller_share() -> None:
    """The paper's law: the effective size grows with the square root of the depth."""
    shallow, deep = (receptive_field(Linear(box(3), n).double(), crops=1) for n in (5, 20))
    assert deep.effective / shallow.effective == pytest.approx(2, rel=0.1)
    assert deep.share is not None
    assert shallow.share is not None
    assert deep.share < 0.6 * shallow.share


def test_the_identity_is_one_pixel() -> None:
    field = receptive_field(Linear(torch.ones(1, 1, 1, 1), 1))
    sizes = (field.effective, field.enclosing, field.spread, field.support, field.share)
    assert sizes == (1, 1, 0, 1, 1)


def test_colours_are_summed_over_input_and_averaged_over_output() -> None:
    kernel = torch.zeros(3, 3, 3, 3, dtype=torch.float64)
    kernel[:, :, 1, 2] = torch.tensor([[1.0, -2, 0], [0, 0, 4], [-1, 0, -1]])
    field = receptive_field(Linear(kernel, 1), crops=1)
    middle = len(field.map) // 2
    assert field.map[middle, middle + 1].item() == pytest.approx((3 + 4 + 2) / 3)
    assert field.map.count_nonzero() == 1


class Cells(Prior):
    """Each pixel becomes the mean of its 2×2 cell."""

    size_multiple = 2
    receptive_field = 2  # type: ignore[assignment]
    halo = 2  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(1, (0, 1))
        self.one = torch.nn.Parameter(torch.ones(()), requires_grad=False)

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.one * F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)


def test_places_in_a_cell_count_equally() -> None:
    field = receptive_field(Cells(), crops=1)
    line = torch.tensor([1.0, 2, 1], dtype=torch.float64) / 4
    middle = len(field.map) // 2
    torch.testing.assert_close(
        field.map[middle - 1 : middle + 2, middle - 1 : middle + 2], line[:, None] * line
    )
    assert field.map.sum().item() == pytest.approx(1)
    assert field.support == 2
    assert field.crops == 4
    assert receptive_field(Cells(), crops=5).crops == 8


class Told(Prior):
    """Adds sigma times the neighbour to the right; keeps what it was called with."""

    receptive_field = 3  # type: ignore[assignment]

    def __init__(
        self,
        blind: bool = False,
        sigma_range: tuple[float, float] = (0.0, 1.0),
        tasks: Sequence[Task] = ("gaussian",),
    ) -> None:
        super().__init__(1, sigma_range, blind)
        self.tasks = tuple(tasks)
        self.one = torch.nn.Parameter(torch.ones(()), requires_grad=False)
        self.seen: list[tuple[Tensor, object]] = []

    def forward(self, x: Tensor, sigma: object = None) -> Tensor:
        self.seen.append((x.detach(), sigma))
        return super().forward(x, sigma)  # type: ignore[arg-type]

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.one * x + sigma * x.roll(-1, dims=3)


def test_over_sigma() -> None:
    fields = over_sigma(Told(), [0.1, 0.4])
    assert list(fields) == [0.1, 0.4]
    for sigma, field in fields.items():
        middle = len(field.map) // 2
        assert field.sigma == sigma
        assert field.map[middle, middle + 1].item() == pytest.approx(sigma)


def test_the_noise_has_the_level_and_the_prior_is_told_what_it_may_be_told() -> None:
    flat = [torch.full((1, 1, 40, 40), 0.5)]
    for blind in (False, True):
        prior = Told(blind)
        receptive_field(prior, 0.2, flat, crops=30)
        noise = torch.cat([x.flatten() for x, _ in prior.seen]) - 0.5
        assert noise.std().item() == pytest.approx(0.2, rel=0.05)
        assert {sigma for _, sigma in prior.seen} == ({None} if blind else {0.2})


@pytest.mark.parametrize(
    ("sigma_range", "level"), [((0, 1), 25 / 255), ((0, 0.05), 0.05), ((0.2, 0.2), 0.2)]
)
def test_the_usual_level_is_inside_the_trained_range(
    sigma_range: tuple[float, float], level: float
) -> None:
    assert receptive_field(Told(sigma_range=sigma_range), crops=1).sigma == level


def test_jpeg_priors_see_decoded_images_from_the_corner_of_a_block() -> None:
    prior = Told(blind=True, tasks=("jpeg",))
    prior.quality_range, prior.size_multiple = (10, 10), 8
    field = receptive_field(prior, crops=1)
    assert field.sigma is None
    assert field.crops == 64, "every place of a block"
    x = torch.cat([image for image, _ in prior.seen])
    assert all(sigma is None for _, sigma in prior.seen)
    torch.testing.assert_close((255 * x).round() / 255, x)
    jumps = x.diff(dim=3).abs().mean(dim=(0, 1, 2))
    inner = torch.arange(len(jumps)) % 8 != 7
    assert jumps[~inner].mean() > 1.5 * jumps[inner].mean(), "blocks begin at the corner"


def test_images_noise_and_places_follow_the_seed_and_are_left_alone(scene: Scene) -> None:
    images = [scene(40, 40, seed=seed) for seed in range(2)]
    before = [image.clone() for image in images]
    prior = registry.build("dncnn", {"depth": 3, "width": 4}).eval()
    with torch.no_grad():
        torch.manual_seed(0)
        for parameter in prior.parameters():
            parameter.normal_()
        one, two, other = (receptive_field(prior, images=images, seed=s) for s in (0, 0, 1))
    assert torch.equal(one.map, two.map)
    assert not torch.equal(one.map, other.map)
    assert all(map(torch.equal, images, before))


# --- what the cards say --------------------------------------------------------------------------

LOCAL = [n for n in pnp_priors.available() if pnp_priors.describe(n).receptive_field is not None]
MARGIN = 8


def boxes(prior: Prior, image: Tensor, at: int) -> list[tuple[Tensor, Tensor]]:
    """Offsets of all input pixels that the corners of the cell at (at, at) depend on."""
    image = image.clone().requires_grad_()
    output = prior(image, None if prior.blind or prior.estimates_sigma else prior.sigma_range[1])
    found = []
    for y in {at, at + prior.size_multiple - 1}:
        for x in {at, at + prior.size_multiple - 1}:
            (gradient,) = torch.autograd.grad(output[0, :, y, x].sum(), image, retain_graph=True)
            rows, columns = gradient[0].abs().sum(dim=0).nonzero().T
            found.append((rows - y, columns - x))
    return found


def check(prior: Prior, image: Tensor, at: int) -> int:
    """No pixel outside of the stated field; the width of what was found."""
    field = prior.receptive_field
    assert field is not None
    widest = 0
    for offsets in boxes(prior, image, at):
        for offset in offsets:
            assert offset.abs().max() <= field // 2
            widest = max(widest, int(offset.max() - offset.min()) + 1)
    assert widest <= field
    return widest


@pytest.mark.parametrize("name", LOCAL)
def test_no_released_prior_looks_further_than_its_card_says(name: str, scene: Scene) -> None:
    prior = pnp_priors.load(name)
    assert prior.receptive_field == pnp_priors.describe(name).receptive_field
    at = prior.halo + MARGIN
    side = 2 * at + prior.size_multiple
    noise = torch.randn(1, prior.channels, side, side, generator=torch.Generator().manual_seed(0))
    assert check(prior, scene(side, side, prior.channels) + 0.1 * noise, at) > 1


STACKS = [
    ("dncnn", {"depth": 4, "width": 3}),
    ("dncnn", {"depth": 7, "width": 2, "channels": 3}),
    ("ffdnet", {"depth": 4, "width": 5}),
    ("ffdnet", {"depth": 3, "width": 5, "channels": 3, "residual": True}),
    ("class-aware", {"classes": ["one"], "depth": 5, "width": 3}),
    ("cbdnet", {"width": 2, "estimator_width": 2}),
]


@pytest.mark.parametrize(("system", "architecture"), STACKS)
def test_the_stated_field_of_convolutions_is_reached(
    system: str, architecture: dict[str, object]
) -> None:
    """With positive weights no rectifier is shut and no two paths cancel.

    The image is dark, so that CBDNet's estimate of the noise stays inside its range.
    """
    prior = registry.build(system, architecture).double().eval()
    with torch.no_grad():
        torch.manual_seed(0)
        for parameter in prior.parameters():
            fan = parameter[0].numel() if parameter.ndim > 1 else 1e3
            parameter.copy_((torch.rand_like(parameter) + 0.5) / fan)
    at = prior.halo + MARGIN
    side = 2 * at + prior.size_multiple
    image = torch.full((1, prior.channels, side, side), 0.12, dtype=torch.float64)
    reached = check(prior, image, at)
    if system != "cbdnet":  # of whose pixels each sees less far on one side
        assert reached == prior.receptive_field
    field = receptive_field(prior, images=[image], crops=1)
    assert field.support == reached
    assert prior.receptive_field is not None
    places = field.map.nonzero() - len(field.map) // 2
    assert places.abs().max() == prior.receptive_field // 2


@pytest.mark.parametrize("name", ["ka-s25", "diffusivity-unet-s25", "nn3d"])
def test_priors_of_the_whole_image(name: str) -> None:
    field = receptive_field(pnp_priors.load(name), crops=1, side=40)
    assert field.theoretical is None
    assert field.share is None
    assert 1 < field.effective <= field.enclosing <= len(field.map)
    assert field.support >= 36


# --- mistakes ------------------------------------------------------------------------------------


class Cut(Told):
    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.one * x.detach()


class Constant(Told):
    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return 0 * x


class Broken(Told):
    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return (x - x).sqrt()


class Enlarged(Told):
    def __init__(self) -> None:
        super().__init__(blind=True, tasks=("super-resolution",))


SMALL = [torch.rand(1, 1, 5, 50)]


@pytest.mark.parametrize(
    ("prior", "arguments", "message"),
    [
        (Told(), {"sigma": 25}, r"sigma = 25: expected 0 to 1"),
        (Told(), {"sigma": math.nan}, r"sigma = nan"),
        (Told(), {"crops": 0}, r"crops must be at least 1, got 0"),
        (Told(), {"side": 2}, r"side must be at least 3 for this prior, got 2"),
        (Told(), {"images": []}, r"no images"),
        (Told(), {"images": SMALL}, r"image 1 of 1 is \[1, 1, 5, 50\]; needed: .* at least 11"),
        (Told(), {"images": [torch.rand(1, 3, 50, 50)]}, r"needed: \[1, 1, H, W\]"),
        (Cut(blind=True), {}, r"Cut cannot be differentiated by its input"),
        (Constant(blind=True), {}, r"Constant: the output does not depend on the image"),
        (Broken(blind=True), {}, r"Broken: the gradient is not finite"),
        (Enlarged(), {}, r"Enlarged is for super-resolution: not for noise"),
    ],
)
def test_mistakes(prior: Prior, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        receptive_field(prior, **arguments)  # type: ignore[arg-type]


def test_a_prior_for_jpeg_takes_no_sigma() -> None:
    with pytest.raises(InputError, match=r"for jpeg: it takes no sigma"):
        receptive_field(pnp_priors.load("trd-jpeg-q10"), 0.1)


# --- the picture ---------------------------------------------------------------------------------


def test_the_picture_has_both_sizes() -> None:
    from matplotlib import pyplot
    from matplotlib.patches import Circle, Rectangle

    local = receptive_field(Linear(box(3), 5), crops=1)
    whole = ReceptiveField(local.map, None, 11, 0.1, 1)
    figure = draw({f"n{i}": field for i, field in enumerate([local, whole] * 3)})
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 6
    for axes, field in zip(panels, [local, whole] * 3, strict=True):
        title = axes.get_title()
        assert f"{field.effective:.1f} px" in title
        circles = [patch for patch in axes.patches if isinstance(patch, Circle)]
        squares = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert [c.radius**2 * math.pi for c in circles] == [pytest.approx(field.effective**2)]
        assert [s.get_width() for s in squares] == ([11] if field.theoretical else [])
        assert ("of 11 px" in title) == (field.theoretical is not None)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "theoretical field",
        "effective field (circle of the same area)",
    ]
    assert not pyplot.get_fignums(), "no state is left behind"
