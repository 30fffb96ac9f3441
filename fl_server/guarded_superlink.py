"""Flower's SuperLink with TLS and known keys on the port that sites reach; it is run by ``superlink.py``.

Stock Flower 1.39 has one certificate for that port and for its own on loopback, so that an organisation's
certificate would have to name ``127.0.0.1``; and it tells a site whose key is refused not why. Both are
changed here, a site may look in before the day, and what it keeps is a ``PatientLinkState``. Without
certificates only that is ours.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from flwr.common.constant import PUBLIC_KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from flwr.server.superlink.fleet.grpc_rere.node_auth_server_interceptor import NodeAuthServerInterceptor
from flwr.server.superlink.linkstate import linkstate_factory
from flwr.supercore.error import ApiErrorCode, FlowerError
from flwr.supercore.primitives.asymmetric import verify_signature

from fl_core.admission import LOOK_METHOD, Cause, Look
from fl_core.errors import KeyFileError
from fl_core.keys import parse_public_key_pem
from fl_core.processes import end_with_parent
from fl_core.versions import find_versions
from fl_server.credentials import AUTHORITY, CERTIFICATE, KEY
from fl_server.link_state import PatientLinkState
from fl_server.refusals import PREFIX
from fl_server.superlink import CERTIFICATES_VARIABLE

STOCK: Any = importlib.import_module("flwr.superlink.cli.flower_superlink")  # its package hides the module


class Door(NodeAuthServerInterceptor):
    """Lets in who signs with a registered key, and says of everybody else who came and why not."""

    def intercept_service(
        self, continuation: Callable[[Any], Any], handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler:
        """Let Flower decide, and note what it refuses; who only looks is answered here."""
        metadata = dict(handler_call_details.invocation_metadata)
        if handler_call_details.method == LOOK_METHOD:
            return grpc.unary_unary_rpc_method_handler(partial(self._answer_look, metadata))
        handler = super().intercept_service(continuation, handler_call_details)
        if not handler or not handler.unary_unary:
            return handler
        key = metadata.get(PUBLIC_KEY_HEADER, b"")

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return handler.unary_unary(request, context)
            except FlowerError as error:
                if cause := self._find_cause(error, key):
                    error.public_details = cause
                    _tell(cause, key, context)
                raise
            except Exception:
                if context.code() is grpc.StatusCode.UNAUTHENTICATED:
                    _tell(Cause.of_details(context.details()), key, context)
                raise

        return grpc.unary_unary_rpc_method_handler(
            answer, handler.request_deserializer, handler.response_serializer
        )

    def _answer_look(self, metadata: dict[str, Any], _request: bytes, _context: Any) -> bytes:
        key = metadata.get(PUBLIC_KEY_HEADER, b"")
        is_enrolled = _is_signed(metadata, key) and self._is_known(key)
        return Look(time.time(), is_enrolled, find_versions() if is_enrolled else {}).to_bytes()

    def _is_known(self, key: bytes) -> bool:
        return self.state_factory.state().get_node_id_by_public_key(key) is not None

    def _is_open(self) -> bool:
        """Say whether the keys of sites are registered: one that has just started knows none for a moment."""
        state: Any = self.state_factory.state()
        return bool(state.node_public_key_to_node_id)

    def _find_cause(self, error: FlowerError, key: bytes) -> Cause | None:
        if error.code == ApiErrorCode.FLEET_SUPERNODE_REGISTRATION_DISABLED:
            return Cause.NO_KEY
        if error.code != ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED or not self._is_open():
            return None
        return Cause.KEY_IN_USE if self._is_known(key) else Cause.UNKNOWN_KEY


class GuardedLifespan(STOCK.SuperLinkLifespan):  # type: ignore[misc]
    """Opens the sites' port with the coordinator's certificate, to registered keys only."""

    def _start_legacy_fleet_grpc_rere(self, fleet_address: str) -> None:
        folder = Path(os.environ[CERTIFICATES_VARIABLE])
        server = STOCK._run_fleet_api_grpc_rere(
            address=fleet_address,
            state_factory=self.state_factory,
            objectstore_factory=self.objectstore_factory,
            enable_supernode_auth=True,
            certificates=tuple((folder / name).read_bytes() for name in (AUTHORITY, CERTIFICATE, KEY)),
            interceptors=[Door(self.state_factory)],
        )
        self.grpc_servers.append(server)


def _is_signed(metadata: dict[str, Any], key: bytes) -> bool:
    """Say whether who calls holds the key, by Flower's signature of the time at its end."""
    signed = str(metadata.get(TIMESTAMP_HEADER, "")).encode()
    try:
        return verify_signature(parse_public_key_pem(key), signed, metadata.get(SIGNATURE_HEADER, b""))
    except KeyFileError:
        return False


def _tell(cause: Cause, key: bytes, context: grpc.ServicerContext) -> None:
    told = {"cause": cause, "key": key.decode("ascii", errors="replace"), "peer": context.peer()}
    sys.stderr.write(f"{PREFIX}{json.dumps(told)}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    end_with_parent()  # nobody else would end it
    vars(linkstate_factory)["InMemoryLinkState"] = PatientLinkState
    if CERTIFICATES_VARIABLE in os.environ:
        STOCK.SuperLinkLifespan = GuardedLifespan
    STOCK.flower_superlink()
