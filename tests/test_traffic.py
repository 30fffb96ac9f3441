from fl_monitor.traffic import Traffic, total_traffic
from tests.site_rows import RANKS, part, run_of


def test_traffic_of_a_site_is_summed_over_its_rounds() -> None:
    rows = run_of(part("south"), part("north"), part("north", 2, bytes_up=500_000), part("~1"))
    assert total_traffic(rows, RANKS) == {
        "north": Traffic(num_rounds=2, bytes_down=4_000_000, bytes_up=1_500_000),
        "south": Traffic(num_rounds=1, bytes_down=2_000_000, bytes_up=1_000_000),
    }
