from fl_monitor.figures.phases import Phase, Span, phase_marker, spans_of
from fl_monitor.figures.style import NO_COLOR
from tests.site_rows import ROUND, at, part


def test_round_of_a_site_is_divided_into_eight_phases() -> None:
    row = part("north", train_began_at=at(1), evaluate_began_at=at(11))
    assert spans_of(row, ROUND) == [
        Span(Phase.DOWN, 0, 1),
        Span(Phase.TRAIN, 1, 7),
        Span(Phase.UP, 7, 8),
        Span(Phase.WAIT, 8, 10),
        Span(Phase.DOWN, 10, 11),
        Span(Phase.EVALUATE, 11, 13),
        Span(Phase.UP, 13, 14),
        Span(Phase.WAIT, 14, 20),
    ]


def test_down_and_up_are_one_phase_where_the_beginning_is_not_known() -> None:
    spans = spans_of(part("north"), ROUND)
    assert spans[:2] == [Span(Phase.UNDER_WAY, 0, 2), Span(Phase.TRAIN, 2, 8)]
    assert Phase.UP not in {span.phase for span in spans}


def test_estimate_before_the_question_or_too_late_for_the_work_is_moved() -> None:
    early = spans_of(part("north", train_began_at=at(-5)), ROUND)
    assert early[:2] == [Span(Phase.TRAIN, 0, 6), Span(Phase.UP, 6, 8)]
    late = spans_of(part("north", train_began_at=at(7)), ROUND)
    assert late[:2] == [Span(Phase.DOWN, 0, 2), Span(Phase.TRAIN, 2, 8)]


def test_phase_that_goes_on_is_not_drawn() -> None:
    asked = part("north", train_received_at=None, evaluate_sent_at=None, evaluate_received_at=None)
    assert spans_of(asked, ROUND) == []


def test_every_phase_has_a_look_of_its_own() -> None:
    marker = phase_marker(Phase, "#123456")
    looks = set(zip(marker["color"], marker["pattern"]["shape"], strict=True))
    assert len(looks) == len(Phase)
    assert (NO_COLOR, "") in looks
