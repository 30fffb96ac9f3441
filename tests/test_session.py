import io
import logging
from pathlib import Path

import pytest
from rich.console import Console

from fl_client import session
from fl_client.link import Link
from fl_client.session import EndOfSession, take_part
from fl_core.admission import Cause
from fl_core.config import SiteConfig
from fl_core.errors import SiteDataError, SiteRefusedError, TaskDeclinedError, UsageError

SECRET = "/data/patients/1.3.6.1.4.1.14519.mhd"


def test_session_goes_on_until_something_ends_it() -> None:
    end = EndOfSession()
    assert end.is_open
    end.refuse("The name is taken.")
    assert not end.is_open
    assert isinstance(end.error, SiteRefusedError)
    assert str(end.error) == "The name is taken."


def test_bad_data_ends_the_session_and_the_coordinator_is_told_no_detail() -> None:
    end = EndOfSession()
    told = end.explain(SiteDataError(f"Site 'north': {SECRET} is too short."))
    assert told == "The site's data cannot be used; its own terminal says why."
    assert SECRET in str(end.error)


def test_coordinator_is_told_why_a_task_was_declined(caplog: pytest.LogCaptureFixture) -> None:
    end = EndOfSession()
    assert end.explain(TaskDeclinedError("Not so many epochs.")) == "Not so many epochs."
    assert end.is_open
    assert caplog.messages == ["A task of the coordinator was declined. Not so many epochs."]


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, KeyError, OSError])
def test_failure_is_told_to_the_coordinator_by_its_kind_only(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    end = EndOfSession()
    told = end.explain(kind(SECRET))
    assert told == f"The site's program failed ({kind.__name__}); its own terminal says why."
    assert end.is_open
    assert SECRET in caplog.text


def test_traceback_is_in_the_log_and_shown_at_the_site_only_when_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for level, is_shown in ((logging.INFO, False), (logging.DEBUG, True)):
        with caplog.at_level(level, logger="fl_client.session"):
            EndOfSession().explain(ValueError("x"))
        shown, written = caplog.records[-2:]
        assert bool(shown.exc_info) is is_shown
        assert written.exc_info
        assert vars(written)["is_said"]


def test_site_without_usable_data_ends_before_it_connects(tmp_path: Path) -> None:
    config = SiteConfig(site="north", data_root=tmp_path / "nowhere")
    paper = io.StringIO()
    with pytest.raises(SiteDataError, match="Site 'north': "):
        take_part(config, Link(config.server), tmp_path / "north", Console(file=paper))
    assert "coordinator" not in paper.getvalue()


def test_site_that_runs_already_does_not_start_again(tmp_path: Path, scans: Path) -> None:
    from fl_client.home import SiteHome

    first = SiteHome(tmp_path / "north", "north")
    config = SiteConfig(site="north", data_root=scans)
    with pytest.raises(UsageError, match="Site 'north' runs on this machine already"):
        take_part(config, Link(config.server), tmp_path / "north", Console(file=io.StringIO()))
    first.close()


LINK = Link("a:1", fingerprint="SHA256:abc")
PASSING = [(Cause.KEY_IN_USE, "Another program is connected"), (Cause.UNKNOWN_KEY, "does not accept the key")]


@pytest.mark.parametrize(("cause", "words"), PASSING)
def test_refusal_that_may_pass_ends_the_session_only_if_it_does_not(
    cause: Cause, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, now_s = EndOfSession(), 100.0
    monkeypatch.setattr(session.time, "monotonic", lambda: now_s)
    assert end.take_link_end(cause, LINK) == f"The coordinator has refused the link ({cause}); trying again"
    now_s += session.PATIENCE_S[cause] - 1
    end.take_link_end(cause, LINK)
    assert end.is_open
    now_s += 1
    end.take_link_end(cause, LINK)
    assert isinstance(end.error, SiteRefusedError)
    assert words in str(end.error)
    assert "SHA256:abc" in str(end.error)


@pytest.mark.parametrize("between", [None, Cause.CUT_OFF])
def test_link_that_was_up_in_between_begins_the_waiting_anew(
    between: Cause | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, now_s = EndOfSession(), 100.0
    monkeypatch.setattr(session.time, "monotonic", lambda: now_s)
    end.take_link_end(Cause.KEY_IN_USE, LINK)
    end.take_link_end(between, LINK)
    now_s += 1000
    end.take_link_end(Cause.KEY_IN_USE, LINK)
    assert end.is_open


def test_link_of_the_run_before_is_made_anew_however_often(monkeypatch: pytest.MonkeyPatch) -> None:
    end, now_s = EndOfSession(), 100.0
    monkeypatch.setattr(session.time, "monotonic", lambda: now_s)
    for _ in range(5):
        end.take_link_end(Cause.CUT_OFF, LINK)
        now_s += 86400
    assert end.is_open


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause not in session.PATIENCE_S])
def test_every_other_refusal_ends_the_session_at_once_with_one_sentence(cause: Cause) -> None:
    end = EndOfSession()
    end.take_link_end(cause, LINK)
    assert isinstance(end.error, SiteRefusedError)
    assert "\n" not in str(end.error)
