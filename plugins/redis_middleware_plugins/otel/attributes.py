"""The names of attributes: those of the stable semantic conventions, and the few of our own."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BATCH_FAILED",
    "BATCH_OPERATIONS",
    "COMMAND_INDEX",
    "DB_NAMESPACE",
    "DB_OPERATION_BATCH_SIZE",
    "DB_OPERATION_NAME",
    "DB_QUERY_TEXT",
    "DB_RESPONSE_STATUS_CODE",
    "DB_STORED_PROCEDURE_NAME",
    "DB_SYSTEM_NAME",
    "ERROR_TYPE",
    "FAILED_COMMAND",
    "MESSAGING_BODY_SIZE",
    "MESSAGING_DESTINATION",
    "MESSAGING_OPERATION_NAME",
    "MESSAGING_OPERATION_TYPE",
    "MESSAGING_SYSTEM",
    "MESSAGING_TEMPLATE",
    "NETWORK_PEER_ADDRESS",
    "NETWORK_PEER_PORT",
    "POOL_NAME",
    "POOL_STATE",
    "REDIRECTION",
    "REDIS",
    "SERVER_ADDRESS",
    "SERVER_PORT",
    "WATCH_CHANGED",
]

REDIS: Final = "redis"

DB_SYSTEM_NAME: Final = "db.system.name"
DB_OPERATION_NAME: Final = "db.operation.name"
DB_NAMESPACE: Final = "db.namespace"
DB_QUERY_TEXT: Final = "db.query.text"
DB_STORED_PROCEDURE_NAME: Final = "db.stored_procedure.name"
DB_OPERATION_BATCH_SIZE: Final = "db.operation.batch.size"
DB_RESPONSE_STATUS_CODE: Final = "db.response.status_code"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
NETWORK_PEER_ADDRESS: Final = "network.peer.address"
NETWORK_PEER_PORT: Final = "network.peer.port"
MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_DESTINATION: Final = "messaging.destination.name"
MESSAGING_TEMPLATE: Final = "messaging.destination.template"
MESSAGING_BODY_SIZE: Final = "messaging.message.body.size"
MESSAGING_OPERATION_NAME: Final = "messaging.operation.name"
MESSAGING_OPERATION_TYPE: Final = "messaging.operation.type"
POOL_NAME: Final = "db.client.connection.pool.name"
POOL_STATE: Final = "db.client.connection.state"

BATCH_OPERATIONS: Final = "redis_middleware.batch.operations"
"""The names of a batch's commands where they differ, at most 16 of them."""
BATCH_FAILED: Final = "redis_middleware.batch.failed"
"""How many commands of a batch failed."""
WATCH_CHANGED: Final = "redis_middleware.watch.changed"
"""True where a transaction did not run because a watched key had changed."""
REDIRECTION: Final = "redis_middleware.redirection.type"
"""MOVED or ASK."""
FAILED_COMMAND: Final = "redis_middleware.command.failed"
"""The name of the event for a failed command of a batch."""
COMMAND_INDEX: Final = "redis_middleware.command.index"
"""Its place in the batch, from 0."""
