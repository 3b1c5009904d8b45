"""Weights that others published, brought to the networks of this package.

The layouts are those of KAIR (github.com/cszn/KAIR: ``models/network_dncnn.py`` and
``network_ffdnet.py``), of deepinv 0.5 (``deepinv.models.DnCNN`` and ``FFDNet``) and of this
package. All of them order the sub-images of FFDNet as ``torch.nn.functional.pixel_unshuffle`` does
and append the noise level behind them, so no channel has to be permuted.

Tensors do not tell everything. What is assumed: activations are ReLU (KAIR can also build leaky
ones), and an FFDNet predicts the image, as all published ones do (deepinv has an option for the
residual). An IRCNN of KAIR is saved like a DnCNN of seven layers and cannot be told from one. The
trained noise levels, and whether a network is blind, are taken from the card of the named prior.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pnp_priors.errors import MissingFileError, WeightsError

if TYPE_CHECKING:
    from pnp_priors.card import Card

#: under one of these a training checkpoint keeps the network, averaged weights first
WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict")
#: what DataParallel and torch.compile put before every name
PREFIXES = ("module.", "_orig_mod.")
NORM = ("weight", "bias", "running_mean", "running_var")
#: names shown of those that are wrong
SHOWN = 3

#: names of the convolutions in order, each with that of its batch normalisation, where it has one
Chain = list[tuple[str, str | None]]


@dataclass(frozen=True)
class Layout:
    """How one code base saves one network: convolutions with ReLU between them.

    :param owner: whose it is.
    :param example: names of its first tensors, for messages.
    :param chains: the names that a network of this depth may have.
    :param eps: of its batch normalisation.
    :param level_channels: input channels that carry the noise level, behind those of the image.
    :param adds: whether the last convolution's output is added to the image (ours is subtracted).
    :param arguments: architecture arguments that this layout settles.
    """

    owner: str
    example: str
    chains: Callable[[int], list[Chain]]
    eps: float = 1e-5
    level_channels: int = 0
    adds: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """A system of the registry that weights of others exist for.

    :param per_channel: sub-images, one network channel each, that an image channel is cut into.
    :param bias_optional: whether its convolutions may come without additive constants.
    """

    title: str
    layouts: tuple[Layout, ...]
    per_channel: int = 1
    bias_optional: bool = False


def _sequential(name: str) -> Callable[[int], list[Chain]]:
    """One ``nn.Sequential`` of convolution, normalisation if any, ReLU."""

    def chains(depth: int) -> list[Chain]:
        last = (f"{name}.{3 * depth - 4}", None)
        hidden = [(f"{name}.{3 * i - 1}", f"{name}.{3 * i}") for i in range(1, depth - 1)]
        return [
            [(f"{name}.{2 * i}", None) for i in range(depth)],
            [(f"{name}.0", None), *hidden, last],
            # KAIR's merge_bn takes the normalisations out without renumbering the rest.
            [(f"{name}.0", None), *((convolution, None) for convolution, _ in hidden), last],
        ]

    return chains


def _deepinv_dncnn(depth: int) -> list[Chain]:
    hidden: Chain = [(f"conv_list.{i}", None) for i in range(depth - 2)]
    return [[("in_conv", None), *hidden, ("out_conv", None)]]


def _deepinv_ffdnet(depth: int) -> list[Chain]:
    first, last = ("blocks.0.0", None), (f"blocks.{depth - 1}", None)
    hidden = [(f"blocks.{i}.0", f"blocks.{i}.1") for i in range(1, depth - 1)]
    plain: Chain = [first, *((convolution, None) for convolution, _ in hidden), last]
    return [plain, [first, *hidden, last]]


_KAIR = "model.0.weight, model.2.weight, …"
_OURS = "body.0.weight, body.2.weight, …"
#: by the system's name in the registry
FAMILIES = {
    "dncnn": Family(
        "DnCNN",
        (
            Layout("KAIR", _KAIR, _sequential("model"), eps=1e-4),
            Layout("deepinv", "in_conv.weight, conv_list.0.weight, …", _deepinv_dncnn, adds=True),
            Layout("pnp_priors", _OURS, _sequential("body")),
        ),
        bias_optional=True,
    ),
    "ffdnet": Family(
        "FFDNet",
        (
            Layout(
                "KAIR",
                _KAIR,
                _sequential("model"),
                eps=1e-4,
                level_channels=1,
                arguments={"residual": False},
            ),
            Layout(
                "deepinv",
                "blocks.0.0.weight, blocks.1.0.weight, …",
                _deepinv_ffdnet,
                level_channels=4,  # it unshuffles the noise level together with the image
                arguments={"residual": False},
            ),
            Layout("pnp_priors", _OURS, _sequential("body"), level_channels=1),
        ),
        per_channel=4,
    ),
}


def read(path: Path, card: Card) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Architecture arguments and parameters that a file of weights stands for.

    :param path: ``.safetensors``, or what ``torch.save`` wrote (``.pth``, ``.pt``); of the latter
        only plain tensors are read, objects in it are refused, never unpickled.
    :param card: that of the prior the weights are meant for.
    :returns: what :func:`pnp_priors.registry.build` and :func:`pnp_priors.registry.fill` take.
    :raises MissingFileError: no such file.
    :raises WeightsError: one line: the file, what was expected, what was found.
    """
    if not path.is_file():
        raise MissingFileError(f"no such weights file: {path}")
    try:
        return convert(unwrapped(_content(path)), card)
    except WeightsError as error:
        raise WeightsError(f"weights file {path}: {error}") from error


def _content(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    if path.suffix.lower() == ".safetensors":
        try:
            return parse(path.read_bytes())
        except (SafetensorError, OSError) as error:
            raise WeightsError("damaged, or not a safetensors file") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    # A damaged file can fail anywhere in torch's parser: there is no base class of its errors.
    except Exception as error:
        # Of torch's message only this is passed on: it goes on to advise weights_only=False.
        refused = re.search(r"GLOBAL ([\w.]+)|(TorchScript)", str(error))
        if refused:
            raise WeightsError(
                f"holds {refused[1] or refused[2]}; expected plain tensors, nothing is unpickled"
            ) from error
        raise WeightsError("damaged, or not written by torch.save") from error


def unwrapped(content: Any) -> dict[str, Tensor]:
    """The network's tensors by name, out of what a training script may have put around them.

    :raises WeightsError: other things than plain tensors of finite numbers.
    """
    while isinstance(content, Mapping):
        inner = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = content[inner]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"expected tensors by name, found {_what(content)}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(f"expected tensors by name, found {name!r}: {_what(value)}")
        if not _plain(value):
            raise WeightsError(f"{name}: expected a dense tensor of finite numbers")
    state = dict(content)
    while prefix := next((p for p in PREFIXES if all(key.startswith(p) for key in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _what(value: Any) -> str:
    return "nothing" if isinstance(value, Mapping) and not value else type(value).__name__


def _plain(value: Tensor) -> bool:
    dense = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
    return dense and not value.is_complex() and bool(torch.isfinite(value.double()).all())


def convert(state: Mapping[str, Tensor], card: Card) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The same network in the layout of this package, float32, batch normalisation merged.

    :param state: tensors by name.
    :param card: says system, channels, trained noise levels and blindness; depth, width and
        bias come from the tensors.
    :returns: the architecture arguments and the parameters, as for :func:`read`.
    :raises WeightsError: what was expected and what was found.
    """
    family = FAMILIES.get(card.system)
    if family is None:
        known = ", ".join(FAMILIES)
        raise WeightsError(
            f"expected a prior whose system is one of {known}; {card.name} is {card.system!r}"
        )
    layout, chain = _match(state, family)
    weights, biases = _convolutions(state, chain, layout, family, card.channels)
    biased = any(bias is not None for bias in biases)
    if biased and not card.architecture.get("bias", True):
        raise WeightsError(f"has additive constants, which {card.name} is defined by not having")

    image_channels = family.per_channel * card.channels
    if layout.level_channels > 1:
        # They all carry the same number, so one channel with the summed weights does the same.
        image, level = weights[0][:, :image_channels], weights[0][:, image_channels:]
        weights[0] = torch.cat([image, level.sum(dim=1, keepdim=True)], dim=1)
    if layout.adds:
        weights[-1] = -weights[-1]
        biases[-1] = None if biases[-1] is None else -biases[-1]

    arguments = {
        **card.architecture,
        **layout.arguments,
        "depth": len(weights),
        "width": weights[0].shape[0],
        "batch_norm": False,
    }
    if family.bias_optional:
        arguments["bias"] = biased
    tensors = {}
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        tensors[f"body.{2 * i}.weight"] = weight.float().contiguous()
        if biased or not family.bias_optional:
            shift = weight.new_zeros(weight.shape[0]) if bias is None else bias
            tensors[f"body.{2 * i}.bias"] = shift.float().contiguous()
    return arguments, tensors


def _match(state: Mapping[str, Tensor], family: Family) -> tuple[Layout, Chain]:
    """The layout and chain whose names are those of the tensors, none more and none less."""
    depth = sum(name.endswith(".weight") and value.ndim == 4 for name, value in state.items())
    candidates = []
    for layout in family.layouts if depth >= 2 else ():
        for chain in layout.chains(depth):
            required, optional = _names(chain)
            missing, unknown = required - state.keys(), state.keys() - required - optional
            if not missing and not unknown:
                return layout, chain
            if len(missing) < len(required):
                candidates.append((len(missing) + len(unknown), layout.owner, missing, unknown))
    known = " or ".join(f"{layout.owner} ({layout.example})" for layout in family.layouts)
    found = f"{len(state)} tensors, {_some(state)}"
    message = f"expected {family.title} as saved by {known}; found {found}"
    if candidates:
        _, owner, missing, unknown = min(candidates, key=lambda candidate: candidate[0])
        differences = {"missing": missing, "unknown": unknown}
        said = [f"{word}: {_some(sorted(names))}" for word, names in differences.items() if names]
        message += f"; nearest is {owner}, {'; '.join(said)}"
    raise WeightsError(message)


def _names(chain: Chain) -> tuple[set[str], set[str]]:
    """Names of tensors that a chain must have, and that it may have."""
    required, optional = set(), set()
    for convolution, norm in chain:
        required.add(f"{convolution}.weight")
        optional.add(f"{convolution}.bias")
        if norm is not None:
            required |= {f"{norm}.{part}" for part in NORM}
            optional.add(f"{norm}.num_batches_tracked")
    return required, optional


def _some(names: Mapping[str, Any] | list[str]) -> str:
    return ", ".join(list(names)[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def _convolutions(
    state: Mapping[str, Tensor], chain: Chain, layout: Layout, family: Family, channels: int
) -> tuple[list[Tensor], list[Tensor | None]]:
    """Weights and biases in double precision, shapes checked, normalisations merged."""
    width = state[f"{chain[0][0]}.weight"].shape[0]
    image = family.per_channel * channels
    sizes = [image + layout.level_channels, *[width] * (len(chain) - 1), image]

    def tensor(name: str, shape: list[int]) -> Tensor:
        found = state[name]
        if list(found.shape) != shape or not found.is_floating_point():
            raise WeightsError(
                f"{name}: expected floating point {shape} ({layout.owner}'s {family.title} for "
                f"{channels} channel(s)), found {found.dtype} {list(found.shape)}"
            )
        return found.detach().double()

    weights: list[Tensor] = []
    biases: list[Tensor | None] = []
    for (convolution, norm), into, out in zip(chain, sizes, sizes[1:], strict=False):
        weight = tensor(f"{convolution}.weight", [out, into, 3, 3])
        name = f"{convolution}.bias"
        bias = tensor(name, [out]) if name in state else None
        if norm is not None:
            scale, shift, mean, variance = (tensor(f"{norm}.{part}", [out]) for part in NORM)
            if (variance < 0).any():
                raise WeightsError(f"{norm}.running_var: expected variances, found negative ones")
            scale = scale / (variance + layout.eps).sqrt()
            weight = weight * scale[:, None, None, None]
            bias = shift - scale * (mean if bias is None else mean - bias)
        weights.append(weight)
        biases.append(bias)
    return weights, biases
