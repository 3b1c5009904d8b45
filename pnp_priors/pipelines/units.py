"""Whether values can be those of a photo in [0, 1]; for the engines with and without torch."""

from __future__ import annotations

from pnp_priors.errors import InputError

#: noise and ringing go a little beyond [0, 1]; what goes beyond this is in other units
_LARGEST = 4.0


def check_units(smallest: float, largest: float) -> None:
    """Refuse a photo by its smallest and largest value.

    :raises InputError: values that are in other units than [0, 1]; says by what to divide.
    """
    extreme = max(abs(smallest), abs(largest))
    if extreme > _LARGEST:
        # 8-bit values with noise on them are a little above 255.
        white = 255 if extreme < 2 * 255 else 65535
        raise InputError(
            f"expected values in [0, 1], {extreme:.5g} looks like 0..{white} values; "
            f"divide by {white}"
        )
