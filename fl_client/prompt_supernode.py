"""Flower's SuperNode as a process that asks for work four times a second, and ends when it is refused.

Stock Flower 1.39 sleeps three seconds whenever there is nothing to do, which a round pays twice; as long as a
task is at work it fetches no other message, so that nobody can ask how far that is; it says that it is alive
every 20 seconds, so that a lost site keeps its place for a minute; it waits for an answer for as long as the
connection stands, which a network that was cut may leave standing for good; and its exit code does not say
why the coordinator refused it. It has no setting for any of that. ``supernode.py`` runs this.
"""

import os
import time
import traceback
import types
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from flwr.client.grpc_rere_client import connection
from flwr.supercore import heartbeat
from flwr.supercore.error import FlowerError
from flwr.supernode import start_client_internal
from flwr.supernode.cli import flower_supernode
from flwr.supernode.nodestate.in_memory_nodestate import InMemoryNodeState

from fl_core.admission import Cause
from fl_core.processes import end_with_parent
from fl_core.prompt_flower import wait_shortly_for_weights

MAX_SLEEP_S = 0.25
HEARTBEAT_S = 10
"""The shortest that Flower accepts: a site that is lost is so after twice that."""
PINGS = (("grpc.keepalive_time_ms", 10_000), ("grpc.http2.ping_timeout_ms", 20_000))
"""After the first silence a sign is asked for, and after the second the connection is given up."""


def _sleep_shortly(seconds: float) -> None:
    time.sleep(min(seconds, MAX_SLEEP_S))


def _pull_or_rest(pull: Callable[..., int | None]) -> Callable[..., int]:
    """Wrap what fetches a message: where there is none, Flower would neither send nor look again for long."""

    def pull_or_rest(**options: Any) -> int:
        run_id = pull(**options)
        if run_id is None:
            time.sleep(MAX_SLEEP_S)
        return run_id or 0

    return pull_or_rest


def _push_if_any(push: Callable[..., None]) -> Callable[..., None]:
    """Wrap what sends replies: Flower would wait until there is one."""

    def push_if_any(*, state: InMemoryNodeState, **options: Any) -> None:
        with state.lock_msg_store:
            entries = list(state.msg_store.values())
        if any(entry.message.metadata.reply_to_message_id and not entry.is_retrieved for entry in entries):
            push(state=state, **options)

    return push_if_any


def _with_pings(open_channel: Callable[..., grpc.Channel]) -> Callable[..., grpc.Channel]:
    """Wrap what opens a channel: a connection that carries nothing any more ends, and its calls with it."""

    def open_pinged(*target: Any, options: Sequence[tuple[str, int]]) -> grpc.Channel:
        return open_channel(*target, options=[*options, *PINGS])

    return open_pinged


def _find_cause(error: grpc.RpcError) -> Cause | None:
    """Return why a call was refused, or None if it failed for another reason."""
    if error.code() is grpc.StatusCode.UNAUTHENTICATED:
        return Cause.of_details(error.details())
    told = FlowerError.from_json(error.details())
    return next((cause for cause in Cause if told and told.public_details == cause), None)


def _end_when_refused(make_invoker: Any) -> Any:
    """Wrap what makes Flower's retries, so that a call that was refused ends this process."""

    def make(**options: Any) -> Any:
        invoker = make_invoker(**options)
        gives_up = invoker.should_giveup

        def gives_up_or_ends(error: grpc.RpcError) -> bool:
            if cause := _find_cause(error):
                os._exit(cause.exit_code)
            return bool(gives_up(error))

        invoker.should_giveup = gives_up_or_ends
        return invoker

    return make


if __name__ == "__main__":
    prompt_time = types.SimpleNamespace(sleep=_sleep_shortly, time=time.time)
    vars(start_client_internal)["time"] = prompt_time
    for name, wrap in {"_pull_and_store_message": _pull_or_rest, "_push_messages": _push_if_any}.items():
        vars(start_client_internal)[name] = wrap(vars(start_client_internal)[name])
    retries = "_make_fleet_connection_retry_invoker"
    vars(start_client_internal)[retries] = _end_when_refused(vars(start_client_internal)[retries])
    for module in (connection, heartbeat):
        vars(module)["HEARTBEAT_DEFAULT_INTERVAL"] = HEARTBEAT_S
    for name in ("insecure_channel", "secure_channel"):
        vars(grpc)[name] = _with_pings(vars(grpc)[name])
    wait_shortly_for_weights()
    end_with_parent()
    try:
        flower_supernode()
    except Exception:  # noqa: BLE001 - the edge of a process
        traceback.print_exc()
    finally:
        os._exit(0)  # Flower leaves a thread running, which would make a lost link look alive for good
