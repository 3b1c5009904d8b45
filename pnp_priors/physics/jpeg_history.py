r"""Whether a JPEG file had been saved before at another quality, from its coefficients.

A first compression leaves the coefficients of one frequency near multiples of its step q1. Rounded
to multiples of q2 by the second, they leave gaps and peaks that repeat (Lukas, Fridrich: Estimation
of primary quantization matrix in double compressed JPEG images, DFRWS 2003). The blocks of both
have to be in the same places.

Two models of a frequency's coefficients are compared. Once compressed: a scale mixture of Gaussians
(Lam, Goodman: A mathematical analysis of the DCT coefficient distributions for images, IEEE TIP
2000), any mixture, rounded to multiples of q2. Twice: the same, rounded to q1 before, the rounded
pixels' noise added. Their comparison is a split likelihood ratio (Wasserman, Ramdas, Balakrishnan:
Universal inference, PNAS 2020): q1 and the mixture of the second model are chosen on one half of
the blocks; on the other half their likelihood is divided by the largest of any mixture of the
first. Under the first model that ratio has a mean of at most 1 (it is an e-value), however it was
chosen; so, by Markov's inequality, it exceeds 1/alpha with a probability of at most alpha. The
mean of e-values is one, for any dependence: it is taken over the exchanged halves, and over
frequencies to judge the file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg_standard import BLOCK, LUMINANCE, quality_table

#: error probability of a false alarm that is asked for
ALPHA = 1e-3
#: frequencies looked at, in zigzag order from the first AC: high ones are mostly zero
_FREQUENCIES = 20
#: blocks looked at, spread over the image: with more, the likelihoods would tell real photos from
#: any mixture of Gaussians
_BLOCKS = 4096
#: steps that a first compression may have had: up to this, and from this share of the last one on,
#: because finer ones leave too little to see
_LARGEST_STEP, _FINEST = 128, 1 / 4
#: of indices: larger ones are counted together
_LARGEST_INDEX = 40
#: standard deviations of the mixture's Gaussians, on 0..255
_SCALES = np.geomspace(0.25, 400, 28)
#: by channels: what rounding pixels to 8 bits adds to an orthonormal coefficient (variance 1/12;
#: a detour through rounded RGB about as much again), and the share of coefficients that go no such
#: way (clipped pixels, of which colours have more)
_DETOUR = {1: (math.sqrt(1 / 12), 0.01), 3: (math.sqrt(1 / 5), 0.05)}
#: signs at fewer frequencies do not tell one quality from the next
_FEWEST_SIGNS = 5
#: iterations of the mixture's fit
_ITERATIONS = 100


@dataclass(frozen=True)
class Recompression:
    """What is known of a first compression.

    :ivar table: ``[8, 8]``, its steps on 0..255; 0 where there is no sign of it, or where several
        steps explain what is seen about as well (few coefficients other than 0, or a coarse last
        step).
    :ivar evidence: ``[8, 8]``, natural logarithms of e-values; 0 where not looked at.
    :ivar quality: whose standard luminance table fits best, if it is among the possible at three
        quarters of the frequencies that show a sign, and those are five at least; else None.
        Its neighbours may share the steps that show.
    """

    table: Any
    evidence: Any
    quality: int | None


def recompression(
    indices: Any, table: Any, channels: int = 1, alpha: float = ALPHA
) -> Recompression | None:
    """Look for signs of a compression before the last one.

    None means "no sign", not "compressed once": a first step that divides the last one, or a last
    compression much coarser than the first, leaves nothing to see.

    :param indices: of the luminance, ``[1, 1, rows, columns, 8, 8]``, whole numbers of steps, as in
        :attr:`pnp_priors.physics.jpeg_file.JPEGFile.indices`; exact ones.
    :param table: the last compression's steps ``[8, 8]``, on 0..255; both are tensors or arrays,
        and so are the tables of the result.
    :param channels: 3 for the luminance of a colour file.
    :param alpha: probability of a false alarm, where the model of photos holds.
    :raises InputError: other shapes, or alpha outside (0, 1).
    """
    if indices.ndim != 6 or indices.shape[0] != 1 or indices.shape[-2:] != (BLOCK, BLOCK):
        raise InputError(f"indices are [1, 1, rows, columns, 8, 8], got {list(indices.shape)}")
    if tuple(table.shape) != (BLOCK, BLOCK):
        raise InputError(f"a quantisation table is [8, 8], got {list(table.shape)}")
    if channels not in _DETOUR:
        raise InputError(f"channels is 1 or 3, got {channels!r}")
    if not 0 < alpha < 1:
        raise InputError(f"alpha is between 0 and 1, got {alpha!r}")
    stride = math.ceil(math.sqrt(indices.shape[2] * indices.shape[3] / _BLOCKS))
    taken = np.asarray(indices[0, 0, ::stride, ::stride])
    levels = np.minimum(np.abs(taken), _LARGEST_INDEX).astype(np.int64)
    halves = _halves(*levels.shape[:2])
    found, evidence = np.zeros((2, BLOCK, BLOCK), np.float32)
    needed, places = -math.log(alpha), _zigzag()[1 : 1 + _FREQUENCIES]
    signs: dict[tuple[int, int], dict[int, float]] = {}
    for row, column in places:
        counts = [
            np.bincount(levels[..., row, column][half], minlength=_LARGEST_INDEX + 1)
            for half in (halves, ~halves)
        ]
        value, fits = _compare(counts, float(table[row, column]), *_DETOUR[channels])
        evidence[row, column] = value
        if value < needed:
            continue
        signs[row, column] = fits
        possible = [step for step, fit in fits.items() if fit > -needed]
        found[row, column] = possible[0] if len(possible) == 1 else 0
    total = np.logaddexp.reduce([evidence[place].item() for place in places])
    if total - math.log(len(places)) < needed:
        return None
    if hasattr(table, "new_tensor"):
        found, evidence = table.new_tensor(found), table.new_tensor(evidence)
    return Recompression(found, evidence, _quality(signs, needed))


def _compare(
    counts: list[np.ndarray], last: float, noise: float, stray: float
) -> tuple[float, dict[int, float]]:
    """Of one frequency's counts: the logarithm of the e-value, and how well each first step fits.

    The latter are log-likelihoods relative to the best.
    """
    steps = [q for q in range(max(2, math.ceil(last * _FINEST)), _LARGEST_STEP + 1) if q != last]
    if not steps or min(half[1:].sum() for half in counts) == 0:
        return 0.0, {}
    # Indices that do not occur have no part in any likelihood.
    seen = counts[0] + counts[1] > 0
    counts = [half[seen] for half in counts]
    once = _once(last)[seen]
    twice = np.stack([_twice(q, last, noise)[seen] for q in steps])
    twice = (1 - stray) * twice + stray * once
    values, votes = [], np.zeros(len(steps))
    for fitted, judged in (counts, counts[::-1]):
        likelihoods, weights = _fit(twice, fitted)
        votes += likelihoods
        best = int(likelihoods.argmax())
        numerator = _log_likelihood(twice[best] @ weights[best], judged)
        values.append(numerator - _largest(once, judged))
    fits = dict(zip(steps, (votes - votes.max()).tolist(), strict=True))
    return float(np.logaddexp.reduce(values) - math.log(2)), fits


def _once(step: float) -> np.ndarray:
    """Probability of each absolute index given the scale, ``[index, scale]``."""
    edges = (np.arange(_LARGEST_INDEX + 1) - 0.5) * step
    beyond = 2 * ndtr(-edges[:, None] / _SCALES)
    beyond[0] = 1
    return beyond - np.vstack([beyond[1:], np.zeros_like(_SCALES)])


def _twice(first: float, last: float, noise: float) -> np.ndarray:
    """As :func:`_once`, after a compression with another step."""
    count = math.ceil((_LARGEST_INDEX + 0.5) * last / first) + 2
    edges = (np.arange(count) - 0.5) * first
    beyond = 2 * ndtr(-edges[:, None] / _SCALES)
    beyond[0] = 1
    multiples = beyond - np.vstack([beyond[1:], np.zeros_like(_SCALES)])
    values = np.arange(count) * first
    edges = (np.arange(_LARGEST_INDEX + 1) - 0.5)[:, None] * last
    above = ndtr((values - edges) / noise) + ndtr((-values - edges) / noise)
    above[0] = 1
    return (above - np.vstack([above[1:], np.zeros(count)])) @ multiples


def _fit(models: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihoods ``[model]`` and weights ``[model, scale]`` of the best mixtures (EM)."""
    total = counts.sum()
    weights = np.full((len(models), len(_SCALES), 1), 1 / len(_SCALES))
    transposed = models.transpose(0, 2, 1)
    for _ in range(_ITERATIONS):
        weights *= transposed @ (counts[:, None] / (models @ weights)) / total
    likelihoods = (counts * np.log((models @ weights)[..., 0])).sum(1)
    return likelihoods, weights[..., 0]


def _largest(model: np.ndarray, counts: np.ndarray) -> float:
    """An upper bound of the log-likelihood of all mixtures.

    With p the fitted mixture's probabilities and p' any other's, Jensen's inequality gives
    l(p') - l(p) = sum n log(p'/p) <= N log(sum n p'/(p N)), which a single scale makes largest.
    """
    likelihoods, weights = _fit(model[None], counts)
    ratios = (counts / (model @ weights[0])) @ model
    total = counts.sum()
    return float(likelihoods[0] + total * math.log(ratios.max() / total))


def _log_likelihood(probabilities: np.ndarray, counts: np.ndarray) -> float:
    return float((counts * np.log(probabilities)).sum())


def _halves(rows: int, columns: int) -> np.ndarray:
    """Every other block."""
    return (np.arange(rows)[:, None] + np.arange(columns)) % 2 == 0


def _zigzag() -> list[tuple[int, int]]:
    """Rows and columns of the frequencies from low to high."""
    places = [(row, column) for row in range(BLOCK) for column in range(BLOCK)]
    return sorted(places, key=lambda p: (sum(p), p[0] if sum(p) % 2 else p[1]))


def _quality(signs: dict[tuple[int, int], dict[int, float]], needed: float) -> int | None:
    """The quality whose steps fit best (a misfit counts 10 times ``needed`` at most)."""
    if len(signs) < _FEWEST_SIGNS:
        return None
    best, highest = None, -math.inf
    for quality in range(1, 101):
        steps = quality_table(LUMINANCE, quality)
        fits = [fit.get(int(steps[place]), -math.inf) for place, fit in signs.items()]
        total = sum(max(fit, -10 * needed) for fit in fits)
        agreeing = sum(fit > -needed for fit in fits)
        if total > highest and 4 * agreeing >= 3 * len(signs):
            best, highest = quality, total
    return best
