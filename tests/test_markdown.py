import pytest

from fl_monitor.markdown import as_text


def test_words_stay_as_they_are() -> None:
    assert as_text("Größe 12 北") == "Größe 12 北"


@pytest.mark.parametrize("text", ["![x](http://evil/x)", ":red[x]", "$x$", "`x`", "<b>", "# x\n- y", "_x_"])
def test_nothing_is_left_that_markdown_would_read(text: str) -> None:
    shown = as_text(text)
    assert "\n" not in shown
    assert shown.replace("\\", "") == text.replace("\n", " ")
    assert all(shown[i - 1] == "\\" for i, sign in enumerate(shown) if sign in "![]():$`<>#-./_")
