"""slot_routing: a plain client becomes a cluster client, without a change in the application.

::

    plugins = ["slot_routing"]

The client points at any node of the cluster. Each command goes to the node that has its keys;
redirections, lost nodes and changes of the topology are dealt with on the way.
"""

from redis_middleware_plugins.slot_routing.cursors import ScanCursorError
from redis_middleware_plugins.slot_routing.outcomes import PartlyDone, partly_done
from redis_middleware_plugins.slot_routing.plugin import SlotRouting
from redis_middleware_plugins.slot_routing.refusing import CrossSlotError, CrossSlotTransaction
from redis_middleware_plugins.slot_routing.settings import SlotRoutingSettings

__all__ = [
    "CrossSlotError",
    "CrossSlotTransaction",
    "PartlyDone",
    "ScanCursorError",
    "SlotRouting",
    "SlotRoutingSettings",
    "partly_done",
]
