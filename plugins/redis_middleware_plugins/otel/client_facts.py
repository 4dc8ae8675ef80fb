"""The templates of one client's calls, put together once for each kind of call."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

from redis_middleware import Batch, ClientView, Command, Place, ServerAddress
from redis_middleware.commands import spec_of
from redis_middleware.notes import SLOT
from redis_middleware_plugins.otel import attributes as names
from redis_middleware_plugins.otel.light_histogram import Series
from redis_middleware_plugins.otel.query_text import UNSENDABLE, batch_text, masked_text, name_of
from redis_middleware_plugins.otel.templates import (
    Attributes,
    NameCap,
    PoolSeries,
    Template,
    address_attributes,
    peer_attributes,
    pool_name,
    without_place,
)

__all__ = ["ClientFacts"]

_PROCEDURES: Final = frozenset({"EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO"})
_LONGEST_PROCEDURE: Final = 100
_MOST_TEMPLATES: Final = 4096
_MOST_OPERATIONS: Final = 16
_MOST_SERVERS: Final = 512


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
        self._names = NameCap()
        self._procedures = NameCap()
        self._durations: dict[Hashable, Series] = {}
        self._pools: dict[ServerAddress | None, PoolSeries] = {}
        self.renew()

    def renew(self) -> None:
        """Look at the client anew: after a fail-over its connections go elsewhere."""
        self._templates: dict[Hashable, Template] = {}
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
            key = (*key, name_of(args[1]) if len(args) > 1 else "")
        if self._is_cluster:
            return self._of_cluster_command(command, key)
        return self._templates.get(key) or self._build(command, key, self._address)

    def _of_cluster_command(self, command: Command, key: Any) -> Template:
        try:
            address, slot = self.view.address_of(command), command.slot
        except UNSENDABLE:
            address = slot = None
        key = (*key, address)
        template = self._templates.get(key) or self._build(command, key, address)
        if slot is None:
            return template
        return template._replace(attributes={**template.attributes, SLOT: slot})

    def _build(self, command: Command, key: Hashable, address: ServerAddress | None) -> Template:
        name = name_of(command.spec.name)
        text = None
        if self._query_length is not None:
            count = len(command.wire) - 1 - name.count(" ")
            text = masked_text(name, count, self._query_length)
        label = name if command.spec.known else self._names(name)
        procedure = _procedure_of(name, command.args)
        return self._keep(key, self._template(name, label, address, text, procedure))

    def of_batch(self, batch: Batch) -> Template:
        """The template of a pipeline or transaction; of its command where it has only one.

        A batch of one command is none, by the conventions:
        https://opentelemetry.io/docs/specs/semconv/db/redis/, note on ``db.operation.batch.size``.
        """
        if len(batch) == 1:
            return self.of_command(batch.commands[0])
        shapes = batch.shapes
        if self._is_cluster or len(shapes) > 1:
            return self._build_batch(batch)
        ((word, count),) = shapes
        key = (batch.place is Place.TRANSACTION, word, count, len(batch))
        template = self._templates.get(key)
        if template is None:
            template = self._build_batch(batch)
            if name_of(word).upper() not in _PROCEDURES:
                self._keep(key, template)
        return template

    def _build_batch(self, batch: Batch) -> Template:
        """The template of two commands or more.

        ``db.operation.name`` is the commands' name behind ``MULTI`` or ``PIPELINE`` where it is the
        same for all, else one of those two words alone. So say the conventions for Redis in place
        of the ``BATCH`` of other databases: https://opentelemetry.io/docs/specs/semconv/db/redis/,
        note on ``db.operation.name``.
        """
        kind = "MULTI" if batch.place is Place.TRANSACTION else "PIPELINE"
        distinct = sorted({self._name_in_batch(word) for word, _ in batch.shapes})
        name = f"{kind} {distinct[0]}" if len(distinct) == 1 else kind
        text = None
        if self._query_length is not None:
            text = batch_text(batch, self._query_length)
        procedure = None
        if len(distinct) == 1 and distinct[0] in _PROCEDURES:
            called = {_procedure_of(distinct[0], args) for args in batch.arguments}
            procedure = called.pop() if len(called) == 1 else None
        template = self._template(name, name, self._address_of_batch(batch), text, procedure)
        template.attributes[names.DB_OPERATION_BATCH_SIZE] = len(batch)
        if len(distinct) > 1:
            template.attributes[names.BATCH_OPERATIONS] = tuple(distinct[:_MOST_OPERATIONS])
        return template

    def _name_in_batch(self, word: Any) -> str:
        name = name_of(word).upper()
        return name if spec_of(name).known else self._names(name)

    def _address_of_batch(self, batch: Batch) -> ServerAddress | None:
        """The only server that a batch goes to; ``None`` where there are several."""
        if not self._is_cluster:
            return self._address
        addresses = (self._address_of(self.view.command(*args)) for args in batch.arguments)
        if batch.place is Place.TRANSACTION:
            # All of its keys are in one slot.
            return next((address for address in addresses if address is not None), None)
        first = next(addresses)
        return first if all(address == first for address in addresses) else None

    def _address_of(self, command: Command) -> ServerAddress | None:
        try:
            return self.view.address_of(command)
        except UNSENDABLE:
            return None

    def at(self, template: Template, address: ServerAddress) -> Template:
        """The template of a call that went to this server instead of the expected one."""
        found = template.elsewhere.get(address)
        if found is None:
            if len(template.elsewhere) >= _MOST_SERVERS:
                template.elsewhere.clear()
            server = address_attributes(address)
            peer = peer_attributes(self._peers.get(address, address))
            found = template.elsewhere[address] = Template(
                template.span_name,
                {**without_place(template.attributes), **server, **peer},
                self._series_of({**without_place(template.duration.attributes), **server}),
                {names.POOL_NAME: self.pool_name(address)},
                {},
            )
        return found

    def _keep(self, key: Hashable, template: Template) -> Template:
        if len(self._templates) >= _MOST_TEMPLATES:
            self._templates = {}
        self._templates[key] = template
        return template

    def of_address(self, address: ServerAddress | None) -> Attributes:
        """Attributes that say nothing but the system, the database and the server."""
        return {
            names.DB_SYSTEM_NAME: names.REDIS,
            names.DB_NAMESPACE: self._namespace,
            **address_attributes(address),
            **self._peer_attributes(address),
        }

    def _template(
        self,
        name: str,
        label: str,
        address: ServerAddress | None,
        text: str | None,
        procedure: str | None,
    ) -> Template:
        """Put a template together.

        Args:
            name: ``db.operation.name``, and the span's name. The conventions' target of a span's
                name is the procedure if there is one: they leave the database out, since it is a
                number, and the server is for operations that have no database.
            label: the same for metrics.
            address: the server.
            text: ``db.query.text``.
            procedure: ``db.stored_procedure.name``.
        """
        labels: Attributes = {
            names.DB_SYSTEM_NAME: names.REDIS,
            names.DB_OPERATION_NAME: label,
            names.DB_NAMESPACE: self._namespace,
            **address_attributes(address),
        }
        attributes: Attributes = {
            **labels,
            names.DB_OPERATION_NAME: name,
            **self._peer_attributes(address),
        }
        if text is not None:
            attributes[names.DB_QUERY_TEXT] = text
        span_name = name
        if procedure is not None:
            attributes[names.DB_STORED_PROCEDURE_NAME] = procedure
            labels[names.DB_STORED_PROCEDURE_NAME] = self._procedures(procedure)
            span_name = f"{name} {procedure}"
        pool: Attributes = {names.POOL_NAME: self.pool_name(address)}
        return Template(span_name, attributes, self._series_of(labels), pool, {})

    def _series_of(self, labels: Attributes) -> Series:
        """The series of durations that templates with these labels share, since it remembers much.

        It outlives them: templates are put together anew with each connection.
        """
        if len(self._durations) >= _MOST_TEMPLATES:
            self._durations = {}
        return self._durations.setdefault(tuple(labels.items()), Series(labels))

    def _peer_attributes(self, address: ServerAddress | None) -> Attributes:
        return {} if address is None else peer_attributes(self._peers.get(address))

    def of_pool(self, address: ServerAddress | None) -> PoolSeries:
        """The series of a pool, by where its connections go."""
        series = self._pools.get(address)
        if series is None:
            labels = {names.POOL_NAME: self.pool_name(address)}
            series = self._pools[address] = PoolSeries(Series(labels), Series(labels))
        return series

    def pool_name(self, address: ServerAddress | None) -> str:
        """``db.client.connection.pool.name``."""
        return pool_name(address, self._namespace)


def _procedure_of(name: str, args: Sequence[Any]) -> str | None:
    """The hash of the script or the name of the function that a command runs."""
    if name not in _PROCEDURES or len(args) < 2:
        return None
    return name_of(args[1])[:_LONGEST_PROCEDURE]
