import httpx
import pytest

from tests.lossy_proxy import LossyProxy
from tests.supabase_server import SupabaseServer

EVENT = {"kind": "login", "text": "Somebody came.", "occurred_at": "2026-01-02T03:04:05+00:00"}


def add_event(proxy: LossyProxy, server: SupabaseServer, event_id: str) -> int:
    headers = {"apikey": server.secret_key}
    answer = httpx.post(f"{proxy.url}/rest/v1/events", headers=headers, json={**EVENT, "event_id": event_id})
    return answer.status_code


def test_answer_that_is_lost_was_acted_on(supabase: SupabaseServer) -> None:
    with LossyProxy(supabase.url, lost_share=1) as proxy, pytest.raises(httpx.RemoteProtocolError):
        add_event(proxy, supabase, "a")

    assert proxy.num_lost == 1
    assert supabase.psql("select event_id from events") == "a"


def test_share_that_is_lost_may_change(supabase: SupabaseServer) -> None:
    with LossyProxy(supabase.url, lost_share=1) as proxy:
        proxy.lost_share = 0

        assert add_event(proxy, supabase, "a") == httpx.codes.CREATED
        assert proxy.num_lost == 0


def test_a_third_of_the_answers_is_lost(supabase: SupabaseServer) -> None:
    with LossyProxy(supabase.url, lost_share=1 / 3) as proxy, httpx.Client() as client:
        for _ in range(90):
            try:
                client.get(f"{proxy.url}/auth/v1/health", headers={"apikey": supabase.secret_key})
            except httpx.RemoteProtocolError:
                continue

        assert 20 <= proxy.num_lost <= 40


def test_server_that_is_down_gives_no_answer_and_is_not_counted(supabase: SupabaseServer) -> None:
    with LossyProxy(supabase.url) as proxy:
        supabase.kill()

        with pytest.raises(httpx.RemoteProtocolError):
            add_event(proxy, supabase, "a")

        assert proxy.num_lost == 0
