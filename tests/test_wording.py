from fl_monitor.wording import DASH, count_text, number_text


def test_numbers_without_a_value_are_dashes() -> None:
    assert (number_text(None), count_text(None)) == (DASH, DASH)
    assert (number_text(0.0), count_text(0)) == ("0.000", "0")
