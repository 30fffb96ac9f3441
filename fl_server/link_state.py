"""What Flower's SuperLink keeps of nodes and messages, changed where Flower 1.39 loses time or updates."""

from typing import Any

from flwr.app import Message
from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
from flwr.supercore.constant import NodeStatus


class PatientLinkState(InMemoryLinkState):
    """Hands out replies that are whole, forgets what nobody fetches, and lets a key be registered again.

    Stock Flower hands a reply out as soon as it is announced, and whoever fetches it waits for its weights:
    if the site was killed meanwhile, for three minutes in which the coordinator does nothing else. And it
    answers for a node that has gone although the node's own reply is there, and keeps the model that the node
    was sent to the end of the run.
    """

    def get_message_res(self, message_ids: set[str], run_id: int) -> list[Message]:
        """Return the replies that are there, and errors for nodes that have gone without one."""
        with self.lock:
            online = {node.node_id for node in self.get_node_info(statuses=[NodeStatus.ONLINE])}
            asked = {key: message for key in message_ids if (message := self.message_ins_store.get(key))}
            of_online = {key for key, message in asked.items() if message.metadata.dst_node_id in online}
            arriving = {key for key in asked if self._is_arriving(key)}
            replied = {key for key in asked if key in self.message_ins_id_to_message_res_id} - arriving
            left_behind = replied - of_online
            for key in arriving - of_online:
                self.object_store.delete(self.message_ins_id_to_message_res_id[key])
            found = super().get_message_res(message_ids - (arriving & of_online) - left_behind, run_id)
            return found + [self._reply_to(key) for key in sorted(left_behind)]

    def delete_messages(self, message_ins_ids: set[str]) -> None:
        """Delete messages with what they hold, unless others hold it too."""
        super().delete_messages(message_ins_ids)
        for message_id in message_ins_ids:
            self.object_store.delete(message_id)

    def delete_node(self, owner_aid: str, node_id: int) -> None:
        """Unregister a node, also one that never came, so that its key may be registered again."""
        with self.lock:
            node: Any = self.nodes.get(node_id)
            if node and node.online_until is None:
                node.online_until = 0.0
            super().delete_node(owner_aid, node_id)
            self.node_public_key_to_node_id.pop(node.public_key, None)

    def _is_arriving(self, message_id: str) -> bool:
        """Say whether a reply was announced whose content is still on its way."""
        reply_id = self.message_ins_id_to_message_res_id.get(message_id, "")
        session = self._object_push_sessions.get(self._object_push_session_by_root.get(reply_id, ""))
        return session is not None and bool(session.pending_object_ids)

    def _reply_to(self, message_id: str) -> Message:
        return self.message_res_store[self.message_ins_id_to_message_res_id[message_id]]
