"""Where another local date begins among sorted times: as told by the date of each of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pipekit_translator.work.zones import DAY, Zone

ZONES = (
    *("UTC", "+02:00", "America/New_York", "America/New_York+07:00", "Asia/Kathmandu"),
    "America/St_Johns",  # set its clocks back at 00:01
    "America/Sao_Paulo",  # changed them at midnight
    "Pacific/Apia",  # left out a whole day
    "Africa/Casablanca",  # changes them four times a year
)
_SPANS = st.sampled_from([3_600, 3 * DAY, 60 * DAY, 3 * 365 * DAY, 100 * 365 * DAY])


@st.composite
def _times(draw):
    """Sorted times in seconds, close together or far apart."""
    first = draw(st.integers(-60 * 365 * DAY, 60 * 365 * DAY))
    size = draw(st.sampled_from([1, 2, 40, 3_000]))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    return first + np.sort(rng.integers(0, draw(_SPANS), size))


@given(st.sampled_from(ZONES), st.sampled_from([1, 10**6]), _times())
def test_days_begin_where_the_date_of_the_times_says(name, unit, seconds):
    zone = Zone(name, unit)
    time = seconds * unit
    of_rows = zone.days(time)
    expected = np.flatnonzero(np.append(True, of_rows[1:] != of_rows[:-1]))
    begins, days = zone.days_begin(time)
    assert begins.tolist() == expected.tolist()
    assert days.tolist() == of_rows[expected].tolist()
