"""One long-lived worker that runs this hospital's own ClientApp on the tasks its SuperNode receives.

Stock Flower starts a new Python process for every message and runs in it the code that the coordinator
sent. Here model, data and device stay warm, and no code from outside ever runs. With ``prompt_supernode``
this is the only file that touches Flower's internals.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing

import httpx
from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode, SubStatus
from flwr.proto.runtime_pb2 import AcquireTaskRequest, SendTaskHeartbeatRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, ObjectPushError
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, RuntimeVersionHttpInterceptor
from flwr.supercore.retry import make_simple_http_retry_invoker
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

from fl_client.leaving import TASK_THREAD
from fl_core.errors import TaskDeclinedError
from fl_core.messages import DECLINED
from fl_core.prompt_flower import wait_shortly_for_weights

logger = logging.getLogger(__name__)

LOST_ON_THE_WAY = (httpx.HTTPError, ObjectPullError, ObjectPushError, RuntimeError)
POLL_S = 0.2
MAX_TRIES = 3

ExplainFailure = Callable[[Exception], str]


class Worker:
    """Runs tasks on one ClientApp, each in a thread: the app answers questions while it computes.

    ``explain_failure`` is told the exception that a task ended with and returns the words that the
    coordinator may read: an exception's own text can hold paths or patient data.
    """

    def __init__(self, app: ClientApp, explain_failure: ExplainFailure) -> None:
        self._app = app
        self._explain_failure = explain_failure
        wait_shortly_for_weights()

    def serve(self, runtime_address: str, is_wanted: Callable[[], bool]) -> None:
        """Fetch and run tasks from the SuperNode at ``runtime_address`` as long as ``is_wanted``."""
        with closing(_connect(runtime_address)) as client:
            while is_wanted():
                token = _acquire_task(client)
                if token is None:
                    time.sleep(POLL_S)
                    continue
                # A task of a run that has ended can hang while it is fetched: it must not block the next.
                arguments = (runtime_address, token)
                threading.Thread(target=self._run_task, args=arguments, name=TASK_THREAD, daemon=True).start()

    def _run_task(self, runtime_address: str, token: str) -> None:
        client = _connect(runtime_address, token)
        heartbeat = HeartbeatSender(lambda: _beat(client))
        heartbeat.start()
        context = None
        status, details = SubStatus.FAILED, "The task could not be fetched or answered."
        try:
            message, context, _run, _bundle = pull_task_input(client)
            reply = self._answer(message, context)
            push_message(client, reply, context)
            status, details = SubStatus.COMPLETED, ""
        except LOST_ON_THE_WAY as error:
            logger.warning("A task was lost between worker and SuperNode: %s", type(error).__name__)
        finally:
            heartbeat.stop()  # a heartbeat of a task that is done would be refused
            push_task_output(client=client, context=context, sub_status=status, details=details)
            client.close()

    def _answer(self, message: Message, context: Context) -> Message:
        try:
            return self._app(message=message, context=context)
        except Exception as error:  # noqa: BLE001 - the edge of a task: the coordinator must get an answer
            is_declined = isinstance(error, TaskDeclinedError)
            code = DECLINED if is_declined else ErrorCode.CLIENT_APP_RAISED_EXCEPTION
            return Message(Error(code, self._explain_failure(error)), reply_to=message)


def _connect(runtime_address: str, token: str | None = None) -> RuntimeHttpClient:
    retries = make_simple_http_retry_invoker()
    retries.max_tries = MAX_TRIES  # stock: for ever
    retries.should_giveup = _gives_up
    sign = [RuntimeTokenHttpInterceptor(token)] if token else []
    return RuntimeHttpClient.from_server_address(
        server_address=runtime_address,
        insecure=True,
        root_certificates=None,
        interceptors=[RuntimeVersionHttpInterceptor(component_name="flwr-clientapp"), *sign],
        retry_invoker=retries,
    )


def _gives_up(error: Exception) -> bool:
    """Say that a call which was answered, with an error, is not tried again.

    Flower's own ends the whole process where the SuperNode has given the task up, as after a machine's sleep.
    The coordinator sends the task again.
    """
    return isinstance(error, httpx.HTTPStatusError)


def _beat(client: RuntimeHttpClient) -> bool:
    """Tell the SuperNode that a task is at work; False lets Flower try again soon."""
    try:
        client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
    except httpx.HTTPStatusError:
        return True
    except httpx.TransportError:
        return False
    return True


def _acquire_task(client: RuntimeHttpClient) -> str | None:
    """Return the token of a task, or None when there is none or the SuperNode is not up (yet or any more)."""
    try:
        response = client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP]))
    except httpx.HTTPError:
        return None
    return response.token if response.HasField("task") and response.token else None
