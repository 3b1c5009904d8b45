r"""Is what a restoration left over, :math:`y - A\hat x`, white Gaussian noise of the stated level?

Two tests with known null distributions. The level: :math:`\sum e^2/\sigma^2 \sim \chi^2_n`. The
whiteness: :math:`Q = \sum_l N_l \hat\rho_l^2`, asymptotically :math:`\chi^2_m` for the sample
autocorrelations of independent values at m lags (Box and Pierce, JASA 65, 1970; here the lags of
half a 5×5 neighbourhood). Q holds for any distribution of the noise, rounding included.

On real images both tests are strict: n is large, no model is exact, and a prior keeps some of the
finest structure out of :math:`\hat x`. A warning therefore asks for two things: that a test rejects
at :data:`FALSE_ALARMS`, and that the deviation is a large one. On a part of the bundled
deconvolution example (trd-5x5-s15, 8 iterations) ratio and largest correlation were 0.98 and -0.06
with HQS at the right level: silent; 0.90 and -0.43 at half of it; 2.0 and 0.71 with PGD, which had
not come far: said. At twice the level they were 0.52 and 0.04, silent; a flipped kernel does not
show in the residual (0.95 and -0.10).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pnp_priors.errors import InputError

#: both tests together reject this often where the residual is white noise of the stated level
FALSE_ALARMS = 0.001
#: ratios of residual and stated level outside this interval are worth a line
RATIOS = (0.5, 1.5)
#: … and so is an autocorrelation (absolute value, at any lag) above this
CORRELATION = 0.3
#: lags (down, right): half of the 5×5 neighbourhood, the other half is the same by symmetry
LAGS = tuple((0, right) for right in (1, 2)) + tuple(
    (down, right) for down in (1, 2) for right in range(-2, 3)
)
#: fewer values than this say nothing
_FEWEST = 256

_STRUCTURE = "image structure is left in it (too few iterations, or the degradation is not as said)"
_COLOURED = "the noise itself is correlated (JPEG, resizing, denoising in the camera)"
_KEPT = "noise was kept in the image"
#: what may have led to a level too high (1), as it should be (0) or too low (-1), and to a positive
#: (1), small (0) or negative (-1) correlation: how the noise level must be wrong for that, if it
#: is, and other reasons. Both together, so that no two lines contradict each other. Noise that was
#: taken for image is missing first where the data step trusts the data most, at low frequencies;
#: what it leaves changes sign from pixel to pixel.
_REASONS: dict[tuple[int, int], tuple[str, tuple[str, ...]]] = {
    (1, 0): ("too low", ("the iterations are too few", "the degradation is not as said")),
    (1, 1): ("too low", (_STRUCTURE, _COLOURED)),
    (1, -1): ("too low", ("the degradation is not as said",)),
    (0, 1): ("", (_STRUCTURE, _COLOURED)),
    (0, -1): ("too low", ("the solver trusts the data too much, so that noise was fitted",)),
    (-1, 0): ("too high", (_KEPT,)),
    (-1, 1): ("too high", (_COLOURED,)),
    (-1, -1): ("", (f"{_KEPT}: the solver trusts the data too much, or has too few iterations",)),
}


@dataclass(frozen=True)
class Residual:
    """Statistics of a residual, and what they say.

    :param pixels: values that were tested.
    :param std: root mean square of the residual, in the units of the image.
    :param ratio: ``std`` over the stated level.
    :param level_p: probability of a ratio at least as far from 1, under the null hypothesis.
    :param correlation: the autocorrelation of largest absolute value …
    :param lag: … and where (down, right), in pixels.
    :param whiteness: the statistic Q, and
    :param degrees: its degrees of freedom.
    :param whiteness_p: probability of at least this Q, under the null hypothesis.
    """

    pixels: int
    std: float
    ratio: float
    level_p: float
    correlation: float
    lag: tuple[int, int]
    whiteness: float
    degrees: int
    whiteness_p: float

    @property
    def level_rejected(self) -> bool:
        return self.level_p < FALSE_ALARMS / 2

    @property
    def whiteness_rejected(self) -> bool:
        return self.whiteness_p < FALSE_ALARMS / 2

    @property
    def warnings(self) -> list[str]:
        """One line where level or whiteness is far off; none for a residual as it should be, but
        for :data:`FALSE_ALARMS` of all cases at most."""
        return self.lines()

    def lines(self, stated: bool = True, level_said: bool = False) -> list[str]:
        """As :attr:`warnings`.

        :param stated: a person stated the level; otherwise it was estimated.
        :param level_said: something else that was said already judges the level, which this then
            does not do once more; nor does it look for reasons that a wrong level makes needless.
        """
        low, high = RATIOS
        level = colour = 0
        if self.level_rejected:
            level = (self.ratio > high) - (self.ratio < low)
        if self.whiteness_rejected and abs(self.correlation) > CORRELATION:
            colour = 1 if self.correlation > 0 else -1
        if not (level or colour):
            return []
        whose = "stated" if stated else "estimated"
        seen = []
        if level:
            seen.append(f"the residual's level is {self.ratio:.3g} times the {whose} noise level")
        if colour:
            down, right = self.lag
            seen.append(
                f"{'it' if level else 'the residual'} is not white (autocorrelation "
                f"{self.correlation:+.2f} at lag {down} down, {right} right)"
            )
        judged, reasons = _REASONS[level, colour]
        if level_said and level < 0 and judged:
            # Far less is left than was stated, and the image's structure with it: no more than the
            # wrong level explains.
            return []
        causes = [f"the {whose} level is {judged}"] if judged and not level_said else []
        causes += [reason for reason in reasons if not (level_said and reason == _COLOURED)]
        return [f"{' and '.join(seen)}: {', or '.join(causes)}"]


def check(
    residual: np.ndarray,
    sigma: float | np.ndarray,
    border: int = 0,
    mask: np.ndarray | None = None,
) -> Residual:
    """Test a residual.

    :param residual: ``y - A x``, ``[H, W]`` or ``[C, H, W]``; correlation is looked for inside
        channels only.
    :param sigma: the stated noise level, in the units of the residual; also an array that
        broadcasts to it (noise maps, signal-dependent noise).
    :param border: pixels to leave out at each side: a blur's radius, where what lies outside the
        frame was made up.
    :param mask: ``[H, W]`` or the residual's shape, true where there was a measurement (inpainting;
        clipped pixels are false: their noise is cut off).
    :raises InputError: a sigma that is not above 0, other shapes, or too few pixels left.
    """
    values = np.asarray(residual, dtype=np.float64)
    if values.ndim not in {2, 3}:
        raise InputError(f"expected a residual [H, W] or [C, H, W], got {list(values.shape)}")
    level = np.asarray(sigma, dtype=np.float64)
    if not (np.isfinite(level) & (level > 0)).all():
        raise InputError("the residual is tested against a noise level above 0")
    try:
        known = np.broadcast_to(True if mask is None else np.asarray(mask) > 0, values.shape)
        normal = values / np.broadcast_to(level, values.shape)
    except ValueError as error:
        raise InputError(f"the mask or noise map does not fit {list(values.shape)}") from error
    if border < 0:
        raise InputError(f"border: expected 0 or more pixels, got {border}")
    rows, columns = (slice(border, max(size - border, 0)) for size in values.shape[-2:])
    known, normal, values = (
        array.reshape(-1, *array.shape[-2:])[:, rows, columns] for array in (known, normal, values)
    )
    values = values[known]
    if values.size < _FEWEST:
        raise InputError(f"{values.size} pixels of the residual are too few to test it")
    if not np.isfinite(values).all():
        raise InputError("the residual has values that are NaN or infinite")

    from scipy.stats import chi2

    total = float((normal[known] ** 2).sum())
    ratio = math.sqrt(total / values.size)
    tail = min(chi2.cdf(total, values.size), chi2.sf(total, values.size))
    statistic, degrees, correlation, lag = _whiteness(normal, known)
    return Residual(
        pixels=values.size,
        std=float(np.sqrt((values**2).mean())),
        ratio=ratio,
        level_p=float(min(2 * tail, 1.0)),
        correlation=correlation,
        lag=lag,
        whiteness=statistic,
        degrees=degrees,
        whiteness_p=float(chi2.sf(statistic, degrees)) if degrees else 1.0,
    )


def _whiteness(values: np.ndarray, known: np.ndarray) -> tuple[float, int, float, tuple[int, int]]:
    """Q, its degrees of freedom, and the largest autocorrelation with its lag."""
    statistic, degrees = 0.0, 0
    largest: tuple[float, tuple[int, int]] = (0.0, LAGS[0])
    for plane, there in zip(values, known, strict=True):
        count = int(there.sum())
        if count < _FEWEST:
            continue
        centred = np.where(there, plane - plane[there].mean(), 0.0)
        variance = float((centred**2).sum()) / count
        if variance == 0:
            continue
        for lag in LAGS:
            one, other = _pairs(centred.shape, lag)
            pairs = int((there[one] & there[other]).sum())
            if pairs < _FEWEST // 2:
                continue
            correlation = float((centred[one] * centred[other]).sum()) / (pairs * variance)
            statistic += pairs * correlation**2
            degrees += 1
            if abs(correlation) > abs(largest[0]):
                largest = (correlation, lag)
    return statistic, degrees, *largest


def _pairs(
    shape: tuple[int, ...], lag: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where the first and where the second of all pairs at this lag are."""
    rows, columns = (_along(size, step) for size, step in zip(shape, lag, strict=True))
    return (rows[0], columns[0]), (rows[1], columns[1])


def _along(size: int, step: int) -> tuple[slice, slice]:
    near, far = slice(0, max(size - abs(step), 0)), slice(abs(step), None)
    return (near, far) if step >= 0 else (far, near)
