"""Converts an instrument's rules to ticks, the kernel's unit, and ticks to points and dollars."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from pipekit_analyzer.request import VariantRules
from pipekit_analyzer.work.kernel import TickRules

T1_PERCENT = 65  # of the target: at this move the stop is pulled up to one tick beyond the entry


class ParameterError(ValueError):
    """An instrument that cannot be analyzed with its parameters; the text says what to write."""


@frozen(kw_only=True)
class Contract:
    """The price scale of an instrument; `tick` in points, `usd_per_point` for one contract."""

    name: str
    tick: Decimal = field(converter=Decimal)
    usd_per_point: Decimal = field(converter=Decimal)

    def rules(self, variant: VariantRules) -> TickRules:
        """A variant's rules in ticks. Raises ParameterError for a target below one tick."""
        target = _whole(Decimal(variant.target) / self.tick)
        if target < 1:
            raise ParameterError(
                f"variant {variant.name}: a target of {variant.target} points is less than one "
                f"tick ({self.tick}) of {self.name}: raise the target of the variant or of the "
                "instrument"
            )
        return TickRules(
            target=target,
            t1=-(-T1_PERCENT * target // 100),  # rounded up
            max_stop=_whole(Decimal(variant.max_stop) * target),
            boundary=variant.stop_rule == "boundary",
            tie_to_target=variant.same_bar_tie == "target",
        )

    def points(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Ticks as points: each the double nearest to the decimal number."""
        return _scaled(ticks, self.tick)

    def usd(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Ticks as dollars of one contract."""
        return _scaled(ticks, self.tick * self.usd_per_point)


def _whole(number: Decimal) -> int:
    """Rounded to a whole number, halves up."""
    return int(number.to_integral_value(ROUND_HALF_UP))


def _scaled(ticks: NDArray[np.int64], step: Decimal) -> NDArray[np.float64]:
    """`ticks * step`, rounded once: a whole number divided by a power of ten."""
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    places = max(0, -exponent)
    scaled: NDArray[np.float64] = (ticks * int(step.scaleb(places))) / 10.0**places
    return scaled
