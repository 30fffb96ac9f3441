import pytest

from fl_monitor.language import choose_language, current_language, gettext, ngettext, speaking


@pytest.mark.parametrize(
    ("cookies", "accept", "language"),
    [
        ({}, None, "en"),
        ({}, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ({}, "de-DE,de;q=0.9", "en"),
        ({}, "fr, zh;q=0.5", "zh"),
        ({"fedluna_language": "en"}, "zh-CN", "en"),
        ({"fedluna_language": "../../etc"}, "zh", "zh"),
    ],
)
def test_language_is_the_chosen_one_or_else_the_browsers(
    cookies: dict[str, str], accept: str | None, language: str
) -> None:
    assert choose_language(cookies, accept) == language


def test_text_is_in_the_language_that_is_spoken() -> None:
    with speaking("zh"):
        assert (current_language(), gettext("Rounds")) == ("zh", "轮次")
    assert gettext("Rounds") == "Rounds"


def test_text_that_no_catalogue_has_stays_as_it_is() -> None:
    with speaking("zh"):
        assert gettext("Not a text of ours") == "Not a text of ours"


def test_english_has_two_forms_and_chinese_one() -> None:
    forms = ("Finished after {current} round", "Finished after {current} rounds")
    assert [ngettext(*forms, number) for number in (1, 2)] == list(forms)
    with speaking("zh"):
        assert ngettext(*forms, 1) == ngettext(*forms, 2)
