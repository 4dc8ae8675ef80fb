"""What spans and metrics of one client have in common, put together once for each kind of call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.exceptions import DataError

from redis_middleware import Batch, ClientView, Command, Place, ServerAddress
from redis_middleware.commands import spec_of
from redis_middleware.notes import SLOT
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.query_text import batch_text, masked_text, name_of

__all__ = ["Attributes", "ClientFacts", "Template", "pool_name"]

Attributes = dict[str, str | int | float | bool | Sequence[str]]

_PROCEDURES = frozenset({"EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO"})
_LONGEST_PROCEDURE = 100
_MOST_TEMPLATES = 4096
_MOST_OPERATIONS = 16
_MOST_UNKNOWN_NAMES = 100
_OTHER = "_OTHER"


class Template(NamedTuple):
    """What all calls of a kind share.

    Attributes:
        span_name: the span's name.
        attributes: the span's attributes at its start.
        labels: the attributes of its metrics.
        pool: the attributes of metrics about the pool it takes its connection from.
    """

    span_name: str
    attributes: Attributes
    labels: Attributes
    pool: Attributes


def pool_name(address: ServerAddress | None, namespace: object) -> str:
    """The name of a pool: the server and the database, ``host:port/db``."""
    return f"{'unknown' if address is None else address}/{namespace}"


class ClientFacts:
    """A client's server, database and templates.

    Args:
        view: facts of the client.
        query_length: how long ``db.query.text`` may be; ``None`` for none at all.
    """

    def __init__(self, view: ClientView, query_length: int | None) -> None:
        self.view = view
        self._query_length = query_length
        self._is_cluster = view.is_cluster
        self._peers: dict[ServerAddress, ServerAddress] = {}
        self._unknown: set[str] = set()
        self.renew()

    def renew(self) -> None:
        """Look at the client anew: after a fail-over its connections go elsewhere."""
        self._templates: dict[Any, Template] = {}
        self._namespace = str(self.view.db)
        self._address = None if self._is_cluster else self.view.address_of()

    def connected(self, address: ServerAddress | None, peer: ServerAddress | None) -> None:
        """Remember which address the name of a server stands for."""
        if address is not None and peer is not None:
            self._peers[address] = peer
        self.renew()

    def of_command(self, command: Command) -> Template:
        """The template of a command."""
        template = self._templates.get((command.spec, len(command.args)))
        return self._other_template(command) if template is None else template

    def _other_template(self, command: Command) -> Template:
        args, spec = command.args, command.spec
        key: Any = (spec, len(args))
        if spec.name in _PROCEDURES:
            key = (*key, args[1] if len(args) > 1 else "")
        if self._is_cluster:
            return self._of_cluster_command(command, key)
        return self._templates.get(key) or self._build(command, key, self._address)

    def _of_cluster_command(self, command: Command, key: Any) -> Template:
        try:
            address, slot = self.view.address_of(command), command.slot
        except DataError:
            # An argument that redis-py is about to refuse.
            address = slot = None
        key = (*key, address)
        template = self._templates.get(key) or self._build(command, key, address)
        if slot is None:
            return template
        return template._replace(attributes={**template.attributes, SLOT: slot})

    def _build(self, command: Command, key: Any, address: ServerAddress | None) -> Template:
        name = command.spec.name
        procedure = None
        if name in _PROCEDURES and len(command.args) > 1:
            procedure = name_of(command.args[1])[:_LONGEST_PROCEDURE]
        text = None
        if self._query_length is not None:
            count = len(command.wire) - 1 - name.count(" ")
            text = masked_text(name, count, self._query_length)
        template = self._template(name, address, text, procedure)
        if not command.spec.known:
            template.labels[names.DB_OPERATION_NAME] = self._capped(name)
        return self._keep(key, template)

    def of_batch(self, batch: Batch) -> Template:
        """The template of a pipeline or transaction; of its command where it has only one."""
        if len(batch) == 1:
            return self.of_command(batch.commands[0])
        shapes = batch.shapes
        if self._is_cluster or len(shapes) > 1:
            return self._build_batch(batch)
        key = (batch.place is Place.TRANSACTION, *shapes, len(batch))
        template = self._templates.get(key)
        return self._keep(key, self._build_batch(batch)) if template is None else template

    def _build_batch(self, batch: Batch) -> Template:
        kind = "MULTI" if batch.place is Place.TRANSACTION else "PIPELINE"
        distinct = sorted({self._capped_word(word) for word, _ in batch.shapes})
        name = f"{kind} {distinct[0]}" if len(distinct) == 1 else kind
        text = None
        if self._query_length is not None:
            text = batch_text(batch, self._query_length)
        template = self._template(name, self._address_of_batch(batch), text, None)
        template.attributes[names.DB_OPERATION_BATCH_SIZE] = len(batch)
        if len(distinct) > 1:
            template.attributes[names.BATCH_OPERATIONS] = tuple(distinct[:_MOST_OPERATIONS])
        return template

    def _keep(self, key: Any, template: Template) -> Template:
        if len(self._templates) >= _MOST_TEMPLATES:
            self._templates = {}
        self._templates[key] = template
        return template

    def _address_of_batch(self, batch: Batch) -> ServerAddress | None:
        if not self._is_cluster:
            return self._address
        if batch.place is not Place.TRANSACTION:
            return None
        # A cluster's transaction is in one slot.
        try:
            slotted = (command for command in batch.commands if command.slot is not None)
            first = next(slotted, None)
        except DataError:
            return None
        return None if first is None else self.view.address_of(first)

    def of_address(self, address: ServerAddress | None) -> Attributes:
        """Attributes that say nothing but the system, the database and the server."""
        template = self._template("", address, None, None)
        return {
            key: value
            for key, value in template.attributes.items()
            if key != names.DB_OPERATION_NAME
        }

    def _template(
        self, name: str, address: ServerAddress | None, text: str | None, procedure: str | None
    ) -> Template:
        labels: Attributes = {
            names.DB_SYSTEM_NAME: names.REDIS,
            names.DB_OPERATION_NAME: name,
            names.DB_NAMESPACE: self._namespace,
        }
        if address is not None:
            labels[names.SERVER_ADDRESS] = address.host
            if address.port is not None:
                labels[names.SERVER_PORT] = address.port
        found = dict(labels)
        if text is not None:
            found[names.DB_QUERY_TEXT] = text
        peer = None if address is None else self._peers.get(address)
        if peer is not None:
            found[names.NETWORK_PEER_ADDRESS] = peer.host
            if peer.port is not None:
                found[names.NETWORK_PEER_PORT] = peer.port
        pool: Attributes = {names.POOL_NAME: self.pool_name(address)}
        if procedure is None:
            return Template(name, found, labels, pool)
        found[names.DB_STORED_PROCEDURE_NAME] = procedure
        return Template(f"{name} {procedure}", found, labels, pool)

    def pool_name(self, address: ServerAddress | None) -> str:
        """``db.client.connection.pool.name``: ``host:port/db``, as the conventions say."""
        return pool_name(address, self._namespace)

    def _capped_word(self, word: Any) -> str:
        name = name_of(word).upper()
        return name if spec_of(name).known else self._capped(name)

    def _capped(self, name: str) -> str:
        """A name that the table of commands does not have, while there are few of them."""
        if name not in self._unknown:
            if len(self._unknown) >= _MOST_UNKNOWN_NAMES:
                return _OTHER
            self._unknown.add(name)
        return name
