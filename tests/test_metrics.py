import pytest

from fl_core.config import check_site_name
from fl_core.errors import ConfigError
from fl_store.metrics import FEDERATION, SENSITIVITIES
from luna16.froc import FALSE_POSITIVE_RATES


def test_sensitivities_are_named_by_the_rates_of_luna16_in_order() -> None:
    rates = [float(metric.rpartition("_")[2]) for metric in SENSITIVITIES]
    assert rates == list(FALSE_POSITIVE_RATES)


def test_no_site_can_have_the_name_of_the_federation() -> None:
    with pytest.raises(ConfigError):
        check_site_name(FEDERATION)
