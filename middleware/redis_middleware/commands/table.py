# ruff: noqa: E501 - one command a line, so that differences can be read
"""The commands of Redis and Valkey. Generated: do not change by hand.

Made by tools/generate_command_table.py from the COMMAND replies of Valkey 9.1.2 and Redis 8.2.3
and from tools/command_supplement.toml.
"""

from __future__ import annotations

from typing import Final

__all__ = ["COMMANDS"]

# name | arity | flags | ACL categories | group | tips | key specifications; - for nothing
_TABLE = """ACL | -2 | - | slow | server | - | -
ACL CAT | -2 | loading noscript stale | slow | server | - | -
ACL DELUSER | -3 | admin loading noscript stale | admin dangerous slow | server | request_policy:all_nodes response_policy:all_succeeded | -
ACL DRYRUN | -4 | admin loading noscript stale | admin dangerous slow | server | - | -
ACL GENPASS | -2 | loading noscript stale | slow | server | - | -
ACL GETUSER | 3 | admin loading noscript stale | admin dangerous slow | server | - | -
ACL HELP | 2 | loading stale | slow | server | - | -
ACL LIST | 2 | admin loading noscript stale | admin dangerous slow | server | - | -
ACL LOAD | 2 | admin loading noscript stale | admin dangerous slow | server | - | -
ACL LOG | -2 | admin loading noscript stale | admin dangerous slow | server | - | -
ACL SAVE | 2 | admin loading noscript stale | admin dangerous slow | server | request_policy:all_nodes response_policy:all_succeeded | -
ACL SETUSER | -3 | admin loading noscript stale | admin dangerous slow | server | request_policy:all_nodes response_policy:all_succeeded | -
ACL USERS | 2 | admin loading noscript stale | admin dangerous slow | server | - | -
ACL WHOAMI | 2 | loading noscript stale | slow | server | - | -
APPEND | 3 | denyoom fast write | fast string write | string | - | 1: RW insert
ARCOUNT | 2 | fast readonly | array fast read | array | - | 1: RO access
ARDEL | -3 | fast write | array fast write | array | - | 1: RW delete
ARDELRANGE | -4 | write | array slow write | array | - | 1: RW delete
ARGET | 3 | fast readonly | array fast read | array | - | 1: RO access
ARGETRANGE | 4 | readonly | array read slow | array | - | 1: RO access
ARGREP | -6 | readonly | array read slow | array | - | 1: RO access
ARINFO | -2 | readonly | array read slow | array | - | 1: RO access
ARINSERT | -3 | denyoom fast write | array fast write | array | - | 1: RW update
ARLASTITEMS | -3 | readonly | array read slow | array | - | 1: RO access
ARLEN | 2 | fast readonly | array fast read | array | - | 1: RO access
ARMGET | -3 | fast readonly | array fast read | array | - | 1: RO access
ARMSET | -4 | denyoom fast write | array fast write | array | - | 1: RW update
ARNEXT | 2 | fast readonly | array fast read | array | - | 1: RO access
AROP | -5 | readonly | array read slow | array | - | 1: RO access
ARRING | -4 | denyoom write | array slow write | array | - | 1: RW update
ARSCAN | -4 | readonly | array read slow | array | - | 1: RO access
ARSEEK | 3 | fast write | array fast write | array | - | 1: RW update
ARSET | -4 | denyoom fast write | array fast write | array | - | 1: RW update
ASKING | 1 | fast | connection fast | cluster | - | -
AUTH | -2 | allow_busy fast loading no_auth noscript stale | connection fast | connection | - | -
BACKUP | 2 | - | slow | server | - | -
BACKUP ABORT | 2 | admin noscript | admin dangerous slow | server | - | -
BACKUP CLEANUP | 2 | admin noscript | admin dangerous slow | server | - | -
BACKUP HELP | 2 | loading stale | slow | server | - | -
BACKUP LIST | 2 | admin stale | admin dangerous slow | server | - | -
BACKUP SEAL | 2 | admin noscript | admin dangerous slow | server | - | -
BACKUP START | 2 | admin noscript | admin dangerous slow | server | - | -
BACKUP STATUS | 2 | admin stale | admin dangerous slow | server | - | -
BF.ADD | 3 | denyoom module write | bloom write | bf | - | 1: RW
BF.CARD | 2 | fast module readonly | bloom fast read | bf | - | 1: RO
BF.DEBUG | 2 | fast module readonly | bloom read | bf | dont_cache | 1: RO
BF.EXISTS | 3 | fast module readonly | bloom read | bf | - | 1: RO
BF.INFO | -2 | fast module readonly | bloom fast read | bf | dont_cache | 1: RO
BF.INSERT | -4 | denyoom module write | bloom write | bf | - | 1: RW
BF.LOADCHUNK | 4 | denyoom module write | bloom write | bf | - | 1: RW
BF.MADD | -3 | denyoom module write | bloom write | bf | - | 1: RW
BF.MEXISTS | -3 | fast module readonly | bloom read | bf | - | 1: RO
BF.RESERVE | -4 | denyoom module write | bloom fast write | bf | - | 1: RW
BF.SCANDUMP | 3 | fast module readonly | bloom read | bf | dont_cache | 1: RO
BGREWRITEAOF | 1 | admin no_async_loading noscript | admin dangerous slow | server | - | -
BGSAVE | -1 | admin no_async_loading noscript | admin dangerous slow | server | - | -
BITCOUNT | -2 | readonly | bitmap read slow | bitmap | - | 1: RO access
BITFIELD | -2 | denyoom write | bitmap slow write | bitmap | - | 1: RW access update variable_flags
BITFIELD_RO | -2 | fast readonly | bitmap fast read | bitmap | - | 1: RO access
BITOP | -4 | denyoom write | bitmap slow write | bitmap | - | 2: OW update; 3 range -1 1 0: RO access
BITPOS | -3 | readonly | bitmap read slow | bitmap | - | 1: RO access
BLMOVE | 6 | blocking denyoom write | blocking list slow write | list | - | 1: RW access delete; 2: RW insert
BLMOVEM | -6 | blocking denyoom write | blocking list slow write | list | - | 1: RW access delete; 2: RW insert
BLMPOP | -5 | blocking movablekeys write | blocking list slow write | list | - | 2 keynum 0 1 1: RW access delete
BLPOP | -3 | blocking write | blocking list slow write | list | - | 1 range -2 1 0: RW access delete
BRPOP | -3 | blocking write | blocking list slow write | list | - | 1 range -2 1 0: RW access delete
BRPOPLPUSH | 4 | blocking denyoom write | blocking list slow write | list | - | 1: RW access delete; 2: RW insert
BZMPOP | -5 | blocking movablekeys write | blocking slow sortedset write | sorted-set | - | 2 keynum 0 1 1: RW access delete
BZPOPMAX | -3 | blocking fast write | blocking fast sortedset write | sorted-set | - | 1 range -2 1 0: RW access delete
BZPOPMIN | -3 | blocking fast write | blocking fast sortedset write | sorted-set | - | 1 range -2 1 0: RW access delete
CF.ADD | 3 | denyoom module write | cuckoo write | cf | - | 1: RW
CF.ADDNX | 3 | denyoom module write | cuckoo write | cf | - | 1: RW
CF.COMPACT | -1 | fast module write | cuckoo read | cf | dont_cache | 1: RW access update
CF.COUNT | 3 | fast module readonly | cuckoo read | cf | - | 1: RO
CF.DEBUG | 2 | fast module readonly | cuckoo read | cf | dont_cache | 1: RO
CF.DEL | 3 | fast module write | cuckoo write | cf | - | 1: RW
CF.EXISTS | 3 | fast module readonly | cuckoo read | cf | - | 1: RO
CF.INFO | 2 | fast module readonly | cuckoo fast read | cf | dont_cache | 1: RO
CF.INSERT | -4 | denyoom module write | cuckoo write | cf | - | 1: RW
CF.INSERTNX | -4 | denyoom module write | cuckoo write | cf | - | 1: RW
CF.LOADCHUNK | 4 | denyoom module write | cuckoo write | cf | - | 1: RW
CF.MEXISTS | -3 | fast module readonly | cuckoo read | cf | - | 1: RO
CF.RESERVE | -3 | denyoom module write | cuckoo fast write | cf | - | 1: RW
CF.SCANDUMP | 3 | fast module readonly | cuckoo read | cf | dont_cache | 1: RO
CLIENT | -2 | - | slow | connection | - | -
CLIENT CACHING | 3 | allow_busy loading noscript stale | connection slow | connection | - | -
CLIENT CAPA | -3 | allow_busy loading noscript stale | connection slow | connection | - | -
CLIENT GETNAME | 2 | allow_busy loading noscript stale | connection slow | connection | - | -
CLIENT GETREDIR | 2 | allow_busy loading noscript stale | connection slow | connection | - | -
CLIENT HELP | 2 | loading stale | connection slow | connection | - | -
CLIENT ID | 2 | allow_busy loading noscript stale | connection slow | connection | - | -
CLIENT IMPORT-SOURCE | 3 | loading noscript stale | connection slow | connection | - | -
CLIENT INFO | 2 | loading noscript stale | connection slow | connection | nondeterministic_output | -
CLIENT KILL | -3 | admin loading noscript stale | admin connection dangerous slow | connection | - | -
CLIENT LIST | -2 | admin loading noscript stale | admin connection dangerous slow | connection | nondeterministic_output | -
CLIENT NO-EVICT | 3 | admin allow_busy loading noscript stale | admin connection dangerous slow | connection | - | -
CLIENT NO-TOUCH | 3 | allow_busy loading noscript stale | connection slow | connection | - | -
CLIENT PAUSE | -3 | admin loading noscript stale | admin connection dangerous slow | connection | - | -
CLIENT REPLY | 3 | allow_busy loading no_multi noscript stale | connection slow | connection | - | -
CLIENT SETINFO | 4 | allow_busy loading noscript stale | connection slow | connection | request_policy:all_nodes response_policy:all_succeeded | -
CLIENT SETNAME | 3 | allow_busy loading noscript stale | connection slow | connection | request_policy:all_nodes response_policy:all_succeeded | -
CLIENT TRACKING | -3 | loading noscript stale | connection slow | connection | - | -
CLIENT TRACKINGINFO | 2 | loading noscript stale | connection slow | connection | - | -
CLIENT UNBLOCK | -3 | admin loading noscript stale | admin connection dangerous slow | connection | - | -
CLIENT UNPAUSE | 2 | admin loading noscript stale | admin connection dangerous slow | connection | - | -
CLUSTER | -2 | - | slow | cluster | - | -
CLUSTER ADDSLOTS | -3 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER ADDSLOTSRANGE | -4 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER BUMPEPOCH | 2 | admin no_async_loading stale | admin dangerous slow | cluster | nondeterministic_output | -
CLUSTER CANCELSLOTMIGRATIONS | 2 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER COUNT-FAILURE-REPORTS | 3 | admin stale | admin dangerous slow | cluster | nondeterministic_output | -
CLUSTER COUNTKEYSINSLOT | 3 | stale | slow | cluster | - | -
CLUSTER DELSLOTS | -3 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER DELSLOTSRANGE | -4 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER FAILOVER | -2 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER FLUSHSLOT | -3 | admin no_async_loading write | admin dangerous keyspace slow write | cluster | - | -
CLUSTER FLUSHSLOTS | 2 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER FORGET | 3 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER GETKEYSINSLOT | 4 | stale | slow | cluster | nondeterministic_output | -
CLUSTER GETSLOTMIGRATIONS | 2 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER HELP | 2 | loading stale | slow | cluster | - | -
CLUSTER INFO | 2 | loading stale | slow | cluster | nondeterministic_output | -
CLUSTER KEYSLOT | 3 | stale | slow | cluster | - | -
CLUSTER LINKS | 2 | stale | slow | cluster | nondeterministic_output | -
CLUSTER MEET | -4 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER MIGRATESLOTS | -4 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER MIGRATION | -4 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER MYID | 2 | loading stale | slow | cluster | - | -
CLUSTER MYSHARDID | 2 | loading stale | slow | cluster | nondeterministic_output | -
CLUSTER NODES | 2 | loading stale | slow | cluster | nondeterministic_output | -
CLUSTER REPLICAS | 3 | admin stale | admin dangerous slow | cluster | nondeterministic_output | -
CLUSTER REPLICATE | -3 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER RESET | -2 | admin noscript stale | admin dangerous slow | cluster | - | -
CLUSTER SAVECONFIG | 2 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER SET-CONFIG-EPOCH | 3 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER SETSLOT | -4 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTER SHARDS | 2 | loading stale | slow | cluster | nondeterministic_output | -
CLUSTER SLAVES | 3 | admin stale | admin dangerous slow | cluster | nondeterministic_output | -
CLUSTER SLOT-STATS | -4 | loading stale | slow | cluster | nondeterministic_output request_policy:all_shards | -
CLUSTER SLOTS | 2 | loading stale | slow | cluster | nondeterministic_output | -
CLUSTER SYNCSLOTS | -3 | admin no_async_loading stale | admin dangerous slow | cluster | - | -
CLUSTERSCAN | -2 | readonly | keyspace read slow | cluster | nondeterministic_output request_policy:special response_policy:special | 1: not_key
CMS.INCRBY | -4 | denyoom module write | cms write | cms | - | 1: RW
CMS.INFO | 2 | module readonly | cms fast read | cms | dont_cache | 1: RO
CMS.INITBYDIM | 4 | denyoom module write | cms fast write | cms | - | 1: RW
CMS.INITBYPROB | 4 | denyoom module write | cms fast write | cms | - | 1: RW
CMS.MERGE | -4 | denyoom module movablekeys write | cms write | cms | - | 1: RW; 2 keynum 0 1 1: RO
CMS.QUERY | -3 | module readonly | cms read | cms | - | 1: RO
COMMAND | -1 | loading stale | connection slow | server | nondeterministic_output_order | -
COMMAND COUNT | 2 | loading stale | connection slow | server | - | -
COMMAND DOCS | -2 | loading stale | connection slow | server | nondeterministic_output_order | -
COMMAND GETKEYS | -3 | loading stale | connection slow | server | - | -
COMMAND GETKEYSANDFLAGS | -3 | loading stale | connection slow | server | - | -
COMMAND HELP | 2 | loading stale | connection slow | server | - | -
COMMAND INFO | -2 | loading stale | connection slow | server | nondeterministic_output_order | -
COMMAND LIST | -2 | loading stale | connection slow | server | nondeterministic_output_order | -
COMMANDLOG | -2 | - | slow | server | - | -
COMMANDLOG GET | 4 | admin loading stale | admin dangerous slow | server | nondeterministic_output request_policy:all_nodes | -
COMMANDLOG HELP | 2 | loading stale | slow | server | - | -
COMMANDLOG LEN | 3 | admin loading stale | admin dangerous slow | server | nondeterministic_output request_policy:all_nodes response_policy:agg_sum | -
COMMANDLOG RESET | 3 | admin loading stale | admin dangerous slow | server | request_policy:all_nodes response_policy:all_succeeded | -
CONFIG | -2 | - | slow | server | - | -
CONFIG GET | -3 | admin loading noscript stale | admin dangerous slow | server | - | -
CONFIG HELP | 2 | loading stale | slow | server | - | -
CONFIG RESETSTAT | 2 | admin loading noscript stale | admin dangerous slow | server | request_policy:all_nodes response_policy:all_succeeded | -
CONFIG REWRITE | 2 | admin loading noscript stale | admin dangerous slow | server | request_policy:all_nodes response_policy:all_succeeded | -
CONFIG SET | -4 | admin loading noscript stale | admin dangerous slow | server | request_policy:all_nodes response_policy:all_succeeded | -
COPY | -3 | denyoom write | keyspace slow write | generic | - | 1: RO access; 2: OW update
DBSIZE | 1 | fast readonly | fast keyspace read | server | request_policy:all_shards response_policy:agg_sum | -
DEBUG | -2 | admin loading noscript stale | admin dangerous slow | server | - | -
DECR | 2 | denyoom fast write | fast string write | string | - | 1: RW access update
DECRBY | 3 | denyoom fast write | fast string write | string | - | 1: RW access update
DEL | -2 | write | keyspace slow write | generic | request_policy:multi_shard response_policy:agg_sum | 1 range -1 1 0: RM delete
DELEX | -2 | fast write | fast string write | string | - | 1: RW delete
DELIFEQ | 3 | fast write | fast string write | string | - | 1: RM delete
DIGEST | 2 | fast readonly | fast read string | string | - | 1: RO access
DISCARD | 1 | allow_busy fast loading noscript stale | fast transaction | transactions | - | -
DUMP | 2 | readonly | keyspace read slow | generic | nondeterministic_output | 1: RO access
ECHO | 2 | fast loading stale | connection fast | connection | - | -
EVAL | -3 | movablekeys no_mandatory_keys noscript skip_monitor stale | scripting slow | scripting | - | 2 keynum 0 1 1: RW access update
EVALSHA | -3 | movablekeys no_mandatory_keys noscript skip_monitor stale | scripting slow | scripting | - | 2 keynum 0 1 1: RW access update
EVALSHA_RO | -3 | movablekeys no_mandatory_keys noscript readonly skip_monitor stale | scripting slow | scripting | - | 2 keynum 0 1 1: RO access
EVAL_RO | -3 | movablekeys no_mandatory_keys noscript readonly skip_monitor stale | scripting slow | scripting | - | 2 keynum 0 1 1: RO access
EXEC | 1 | loading noscript skip_commandlog stale | slow transaction | transactions | - | -
EXISTS | -2 | fast readonly | fast keyspace read | generic | request_policy:multi_shard response_policy:agg_sum | 1 range -1 1 0: RO
EXPIRE | -3 | fast write | fast keyspace write | generic | - | 1: RW update
EXPIREAT | -3 | fast write | fast keyspace write | generic | - | 1: RW update
EXPIRETIME | 2 | fast readonly | fast keyspace read | generic | - | 1: RO access
FAILOVER | -1 | admin noscript stale | admin dangerous slow | server | - | -
FCALL | -3 | movablekeys no_mandatory_keys noscript skip_monitor stale | scripting slow | scripting | - | 2 keynum 0 1 1: RW access update
FCALL_RO | -3 | movablekeys no_mandatory_keys noscript readonly skip_monitor stale | scripting slow | scripting | - | 2 keynum 0 1 1: RO access
FLUSHALL | -1 | write | dangerous keyspace slow write | server | request_policy:all_shards response_policy:all_succeeded | -
FLUSHDB | -1 | write | dangerous keyspace slow write | server | request_policy:all_shards response_policy:all_succeeded | -
FT.ADD | -1 | denyoom module write | search write | search | - | 2: RW access update
FT.ADDHASH | -4 | denyoom module write | search write | search | - | 2: RW access update
FT.AGGREGATE | -3 | module readonly | read search | search | dont_cache | -
FT.ALIASADD | 3 | denyoom module write | search | search | dont_cache | -
FT.ALIASDEL | 2 | module write | search | search | dont_cache | -
FT.ALIASLIST | 2 | module readonly | search | search | dont_cache | -
FT.ALIASUPDATE | 3 | denyoom module write | search | search | dont_cache | -
FT.ALTER | -6 | denyoom module write | search | search | dont_cache | -
FT.CONFIG | -2 | module readonly | admin search | search | - | -
FT.CONFIG GET | -3 | module readonly | - | search | dont_cache | -
FT.CONFIG HELP | -3 | module readonly | - | search | dont_cache | -
FT.CONFIG SET | -3 | module write | - | search | dont_cache | -
FT.CREATE | -5 | denyoom module write | search | search | dont_cache | -
FT.CURSOR | -2 | module readonly | read search | search | - | -
FT.CURSOR DEL | -4 | module readonly | - | search | dont_cache request_policy:special | -
FT.CURSOR GC | -2 | module readonly | - | search | dont_cache | -
FT.CURSOR READ | -4 | module readonly | - | search | dont_cache request_policy:special | -
FT.DEL | -1 | module write | search write | search | - | 2: RW access update
FT.DICTADD | -3 | denyoom module write | search | search | dont_cache | -
FT.DICTDEL | -3 | module write | search | search | dont_cache | -
FT.DICTDUMP | 2 | module readonly | search | search | dont_cache | -
FT.DROP | -1 | module write | dangerous search slow write | search | - | -
FT.DROPINDEX | -2 | module write | dangerous search slow write | search | dont_cache | -
FT.EXPLAIN | -3 | module readonly | search | search | dont_cache | -
FT.EXPLAINCLI | -3 | module readonly | search | search | dont_cache | -
FT.GET | -1 | module readonly | read search | search | dont_cache | 2: RO access
FT.HYBRID | -7 | module readonly | read search | search | dont_cache | -
FT.INFO | 2 | module readonly | search | search | dont_cache | -
FT.MGET | -1 | module readonly | read search | search | dont_cache | -
FT.PROFILE | -5 | module readonly | read search | search | dont_cache | -
FT.SAFEADD | -1 | denyoom module write | search write | search | - | 2: RW access update
FT.SEARCH | -3 | module readonly | read search | search | dont_cache | -
FT.SPELLCHECK | -3 | module readonly | search | search | dont_cache | -
FT.SUGADD | -4 | denyoom module write | search write | suggestion | dont_cache | 1: RW access update
FT.SUGDEL | 3 | module write | search write | suggestion | dont_cache | 1: RW access update
FT.SUGGET | -3 | module readonly | read search | suggestion | - | 1: RO access
FT.SUGLEN | 2 | module readonly | read search | suggestion | - | 1: RO access
FT.SYNADD | -1 | denyoom module write | search | search | - | -
FT.SYNDUMP | 2 | module readonly | search | search | dont_cache | -
FT.SYNUPDATE | -4 | denyoom module write | search | search | dont_cache | -
FT.TAGVALS | 3 | module readonly | dangerous read search slow | search | dont_cache | -
FT._ALIASADDIFNX | 3 | denyoom module write | search | search | dont_cache | -
FT._ALIASDELIFX | 2 | module write | search | search | dont_cache | -
FT._ALTERIFNX | -6 | denyoom module write | search | search | dont_cache | -
FT._CREATEIFNX | -5 | denyoom module write | search | search | dont_cache | -
FT._DROPIFX | -1 | module write | search write | search | - | -
FT._DROPINDEXIFX | -2 | module write | dangerous search slow write | search | dont_cache | -
FT._LIST | -1 | module readonly | admin search slow | search | dont_cache | -
FUNCTION | -2 | - | slow | scripting | - | -
FUNCTION DELETE | 3 | noscript write | scripting slow write | scripting | request_policy:all_shards response_policy:all_succeeded | -
FUNCTION DUMP | 2 | noscript | scripting slow | scripting | - | -
FUNCTION FLUSH | -2 | noscript write | scripting slow write | scripting | request_policy:all_shards response_policy:all_succeeded | -
FUNCTION HELP | 2 | loading stale | scripting slow | scripting | - | -
FUNCTION KILL | 2 | allow_busy noscript | scripting slow | scripting | request_policy:all_shards response_policy:one_succeeded | -
FUNCTION LIST | -2 | noscript | scripting slow | scripting | nondeterministic_output_order | -
FUNCTION LOAD | -3 | denyoom noscript write | scripting slow write | scripting | request_policy:all_shards response_policy:all_succeeded | -
FUNCTION RESTORE | -3 | denyoom noscript write | scripting slow write | scripting | request_policy:all_shards response_policy:all_succeeded | -
FUNCTION STATS | 2 | allow_busy noscript | scripting slow | scripting | nondeterministic_output request_policy:all_shards response_policy:special | -
GEOADD | -5 | denyoom write | geo slow write | geo | - | 1: RW update
GEODIST | -4 | readonly | geo read slow | geo | - | 1: RO access
GEOHASH | -2 | readonly | geo read slow | geo | - | 1: RO access
GEOPOS | -2 | readonly | geo read slow | geo | - | 1: RO access
GEORADIUS | -6 | denyoom movablekeys write | geo slow write | geo | - | 1: RO access; STORE 6 range 0 1 0: OW update variable_flags; STOREDIST 6 range 0 1 0: OW update variable_flags
GEORADIUSBYMEMBER | -5 | denyoom movablekeys write | geo slow write | geo | - | 1: RO access; STORE 5 range 0 1 0: OW update variable_flags; STOREDIST 5 range 0 1 0: OW update variable_flags
GEORADIUSBYMEMBER_RO | -5 | readonly | geo read slow | geo | - | 1: RO access
GEORADIUS_RO | -6 | readonly | geo read slow | geo | - | 1: RO access
GEOSEARCH | -7 | readonly | geo read slow | geo | - | 1: RO access
GEOSEARCHSTORE | -8 | denyoom write | geo slow write | geo | - | 1: OW update; 2: RO access
GET | 2 | fast readonly | fast read string | string | - | 1: RO access
GETBIT | 3 | fast readonly | bitmap fast read | bitmap | - | 1: RO access
GETDEL | 2 | fast write | fast string write | string | - | 1: RW access delete
GETEX | -2 | fast write | fast string write | string | - | 1: RW access update
GETRANGE | 4 | readonly | read slow string | string | - | 1: RO access
GETSET | 3 | denyoom fast write | fast string write | string | - | 1: RW access update
HDEL | -3 | fast write | fast hash write | hash | - | 1: RW delete
HELLO | -1 | allow_busy fast loading no_auth noscript stale | connection fast | connection | - | -
HEXISTS | 3 | fast readonly | fast hash read | hash | - | 1: RO
HEXPIRE | -6 | fast write | fast hash write | hash | - | 1: RW update
HEXPIREAT | -6 | fast write | fast hash write | hash | - | 1: RW update
HEXPIRETIME | -5 | fast readonly | fast hash read | hash | - | 1: RO access
HGET | 3 | fast readonly | fast hash read | hash | - | 1: RO access
HGETALL | 2 | readonly | hash read slow | hash | nondeterministic_output_order | 1: RO access
HGETDEL | -5 | fast write | fast hash write | hash | - | 1: RW access delete
HGETEX | -5 | fast write | fast hash write | hash | - | 1: RW access update
HIMPORT | -2 | - | hash slow | hash | - | -
HIMPORT DISCARD | 3 | - | hash slow | hash | request_policy:all_shards | -
HIMPORT DISCARDALL | 2 | - | hash slow | hash | request_policy:all_shards | -
HIMPORT PREPARE | -4 | denyoom | hash slow | hash | request_policy:all_shards | -
HIMPORT SET | -5 | denyoom write | hash slow write | hash | - | 2: OW update
HINCRBY | 4 | denyoom fast write | fast hash write | hash | - | 1: RW access update
HINCRBYFLOAT | 4 | denyoom fast write | fast hash write | hash | - | 1: RW access update
HKEYS | 2 | readonly | hash read slow | hash | nondeterministic_output_order | 1: RO access
HLEN | 2 | fast readonly | fast hash read | hash | - | 1: RO
HMGET | -3 | fast readonly | fast hash read | hash | - | 1: RO access
HMSET | -4 | denyoom fast write | fast hash write | hash | - | 1: RW update
HOTKEYS | -2 | - | slow | server | - | -
HOTKEYS GET | 2 | admin noscript | admin dangerous slow | server | nondeterministic_output request_policy:special response_policy:special | -
HOTKEYS HELP | 2 | loading stale | slow | server | - | -
HOTKEYS RESET | 2 | admin noscript | admin dangerous slow | server | request_policy:special | -
HOTKEYS START | -2 | admin noscript | admin dangerous slow | server | request_policy:special | -
HOTKEYS STOP | 2 | admin noscript | admin dangerous slow | server | request_policy:special | -
HPERSIST | -5 | fast write | fast hash write | hash | - | 1: RW update
HPEXPIRE | -6 | fast write | fast hash write | hash | - | 1: RW update
HPEXPIREAT | -6 | fast write | fast hash write | hash | - | 1: RW update
HPEXPIRETIME | -5 | fast readonly | fast hash read | hash | - | 1: RO access
HPTTL | -5 | fast readonly | fast hash read | hash | nondeterministic_output | 1: RO access
HRANDFIELD | -2 | readonly | hash read slow | hash | nondeterministic_output | 1: RO access
HSCAN | -3 | readonly | hash read slow | hash | nondeterministic_output | 1: RO access
HSET | -4 | denyoom fast write | fast hash write | hash | - | 1: RW update
HSETEX | -6 | denyoom fast write | fast hash write | hash | - | 1: RW insert
HSETNX | 4 | denyoom fast write | fast hash write | hash | - | 1: RW insert
HSTRLEN | 3 | fast readonly | fast hash read | hash | - | 1: RO
HTTL | -5 | fast readonly | fast hash read | hash | nondeterministic_output | 1: RO access
HVALS | 2 | readonly | hash read slow | hash | nondeterministic_output_order | 1: RO access
INCR | 2 | denyoom fast write | fast string write | string | - | 1: RW access update
INCRBY | 3 | denyoom fast write | fast string write | string | - | 1: RW access update
INCRBYFLOAT | 3 | denyoom fast write | fast string write | string | - | 1: RW access update
INCREX | -2 | denyoom fast write | fast string write | string | - | 1: RW access update
INFO | -1 | loading stale | dangerous slow | server | nondeterministic_output request_policy:all_shards response_policy:special | -
JSON.ARRAPPEND | -3 | denyoom module write | json write | json | - | 1: RW
JSON.ARRINDEX | -4 | module readonly | json read | json | - | 1: RO
JSON.ARRINSERT | -5 | denyoom module write | json write | json | - | 1: RW
JSON.ARRLEN | -2 | module readonly | json read | json | - | 1: RO
JSON.ARRPOP | -2 | module write | json write | json | - | 1: RW
JSON.ARRTRIM | 5 | module write | json write | json | - | 1: RW
JSON.CLEAR | -2 | module write | json write | json | - | 1: RW
JSON.DEBUG | -2 | module movablekeys readonly | json read | json | dont_cache | MEMORY 1 range 0 1 0: RO
JSON.DEL | -2 | module write | json write | json | - | 1: RW
JSON.FORGET | -2 | module write | json write | json | - | 1: RW
JSON.GET | -2 | module readonly | json read | json | - | 1: RO
JSON.MERGE | -4 | denyoom module write | json write | json | - | 1: RW
JSON.MGET | -3 | module readonly | json read | json | dont_cache | 1 range -2 1 0: RO
JSON.MSET | -4 | denyoom module write | json write | json | - | 1 range -1 3 0: RW
JSON.NUMINCRBY | 4 | module write | json write | json | - | 1: RW
JSON.NUMMULTBY | 4 | module write | json write | json | - | 1: RW
JSON.NUMPOWBY | 4 | module write | json write | json | - | 1: RW
JSON.OBJKEYS | -2 | module readonly | json read | json | - | 1: RO
JSON.OBJLEN | -2 | module readonly | json read | json | - | 1: RO
JSON.RESP | -2 | module readonly | json read | json | - | 1: RO
JSON.SET | -4 | denyoom module write | json write | json | - | 1: RW
JSON.STRAPPEND | -3 | denyoom module write | json write | json | - | 1: RW
JSON.STRLEN | -2 | module readonly | json read | json | - | 1: RO
JSON.TOGGLE | 3 | module write | json write | json | - | 1: RW
JSON.TYPE | -2 | module readonly | json read | json | - | 1: RO
KEYS | 2 | readonly | dangerous keyspace read slow | generic | nondeterministic_output_order request_policy:all_shards | -
LASTSAVE | 1 | fast loading stale | admin dangerous fast | server | nondeterministic_output | -
LATENCY | -2 | - | slow | server | - | -
LATENCY DOCTOR | 2 | admin loading noscript stale | admin dangerous slow | server | nondeterministic_output request_policy:all_nodes response_policy:special | -
LATENCY GRAPH | 3 | admin loading noscript stale | admin dangerous slow | server | nondeterministic_output request_policy:all_nodes response_policy:special | -
LATENCY HELP | 2 | loading stale | slow | server | - | -
LATENCY HISTOGRAM | -2 | admin loading noscript stale | admin dangerous slow | server | nondeterministic_output request_policy:all_nodes response_policy:special | -
LATENCY HISTORY | 3 | admin loading noscript stale | admin dangerous slow | server | nondeterministic_output request_policy:all_nodes response_policy:special | -
LATENCY LATEST | 2 | admin loading noscript stale | admin dangerous slow | server | nondeterministic_output request_policy:all_nodes response_policy:special | -
LATENCY RESET | -2 | admin loading noscript stale | admin dangerous slow | server | request_policy:all_nodes response_policy:agg_sum | -
LCS | -3 | readonly | read slow string | string | - | 1 range 1 1 0: RO access
LINDEX | 3 | readonly | list read slow | list | - | 1: RO access
LINSERT | 5 | denyoom write | list slow write | list | - | 1: RW insert
LLEN | 2 | fast readonly | fast list read | list | - | 1: RO
LMOVE | 5 | denyoom write | list slow write | list | - | 1: RW access delete; 2: RW insert
LMOVEM | -5 | denyoom write | list slow write | list | - | 1: RW access delete; 2: RW insert
LMPOP | -4 | movablekeys write | list slow write | list | - | 1 keynum 0 1 1: RW access delete
LOLWUT | -1 | fast readonly | fast read | server | - | -
LPOP | -2 | fast write | fast list write | list | - | 1: RW access delete
LPOS | -3 | readonly | list read slow | list | - | 1: RO access
LPUSH | -3 | denyoom fast write | fast list write | list | - | 1: RW insert
LPUSHX | -3 | denyoom fast write | fast list write | list | - | 1: RW insert
LRANGE | 4 | readonly | list read slow | list | - | 1: RO access
LREM | 4 | write | list slow write | list | - | 1: RW delete
LSET | 4 | denyoom write | list slow write | list | - | 1: RW update
LTRIM | 4 | write | list slow write | list | - | 1: RW delete
MEMORY | -2 | - | slow | server | - | -
MEMORY DOCTOR | 2 | - | slow | server | nondeterministic_output request_policy:all_shards response_policy:special | -
MEMORY HELP | 2 | loading stale | slow | server | - | -
MEMORY MALLOC-STATS | 2 | loading | slow | server | nondeterministic_output request_policy:all_shards response_policy:special | -
MEMORY PURGE | 2 | loading | slow | server | request_policy:all_shards response_policy:all_succeeded | -
MEMORY STATS | 2 | - | slow | server | nondeterministic_output request_policy:all_shards response_policy:special | -
MEMORY USAGE | -3 | readonly | read slow | server | dont_cache | 2: RO
MGET | -2 | fast readonly | fast read string | string | request_policy:multi_shard | 1 range -1 1 0: RO access
MIGRATE | -6 | movablekeys write | dangerous keyspace slow write | generic | nondeterministic_output | 3: RW access delete; KEYS -2 range -1 1 0: RW access delete incomplete
MODULE | -2 | - | slow | server | - | -
MODULE HELP | 2 | loading stale | slow | server | - | -
MODULE LIST | 2 | admin noscript | admin dangerous slow | server | nondeterministic_output_order | -
MODULE LOAD | -3 | admin no_async_loading noscript | admin dangerous slow | server | - | -
MODULE LOADEX | -3 | admin no_async_loading noscript | admin dangerous slow | server | - | -
MODULE UNLOAD | 3 | admin no_async_loading noscript | admin dangerous slow | server | - | -
MONITOR | 1 | admin loading noscript stale | admin dangerous slow | server | - | -
MOVE | 3 | fast write | fast keyspace write | generic | - | 1: RW access update
MSET | -3 | denyoom write | slow string write | string | request_policy:multi_shard response_policy:all_succeeded | 1 range -1 2 0: OW update
MSETEX | -4 | denyoom movablekeys write | slow string write | string | request_policy:multi_shard response_policy:all_succeeded | 1 keynum 0 1 2: OW update
MSETNX | -3 | denyoom write | slow string write | string | - | 1 range -1 2 0: OW insert
MULTI | 1 | allow_busy fast loading no_multi noscript stale | fast transaction | transactions | - | -
OBJECT | -2 | - | slow | generic | - | -
OBJECT ENCODING | 3 | readonly | keyspace read slow | generic | nondeterministic_output | 2: RO
OBJECT FREQ | 3 | readonly | keyspace read slow | generic | nondeterministic_output | 2: RO
OBJECT HELP | 2 | loading stale | keyspace slow | generic | - | -
OBJECT IDLETIME | 3 | readonly | keyspace read slow | generic | nondeterministic_output | 2: RO
OBJECT REFCOUNT | 3 | readonly | keyspace read slow | generic | nondeterministic_output | 2: RO
PERSIST | 2 | fast write | fast keyspace write | generic | - | 1: RW update
PEXPIRE | -3 | fast write | fast keyspace write | generic | - | 1: RW update
PEXPIREAT | -3 | fast write | fast keyspace write | generic | - | 1: RW update
PEXPIRETIME | 2 | fast readonly | fast keyspace read | generic | - | 1: RO access
PFADD | -2 | denyoom fast write | fast hyperloglog write | hyperloglog | - | 1: RW insert
PFCOUNT | -2 | readonly | hyperloglog read slow | hyperloglog | - | 1 range -1 1 0: RW access
PFDEBUG | 3 | admin denyoom write | admin dangerous hyperloglog slow write | hyperloglog | - | 2: RW access
PFMERGE | -2 | denyoom write | hyperloglog slow write | hyperloglog | - | 1: RW access insert; 2 range -1 1 0: RO access
PFSELFTEST | 1 | admin | admin dangerous hyperloglog slow | hyperloglog | - | -
PING | -1 | fast | connection fast | connection | request_policy:all_shards response_policy:all_succeeded | -
PSETEX | 4 | denyoom write | slow string write | string | - | 1: OW update
PSUBSCRIBE | -2 | loading noscript pubsub stale | pubsub slow | pubsub | - | -
PSYNC | -3 | admin no_async_loading no_multi noscript | admin dangerous slow | server | - | -
PTTL | 2 | fast readonly | fast keyspace read | generic | nondeterministic_output | 1: RO access
PUBLISH | 3 | fast loading pubsub stale | fast pubsub | pubsub | - | -
PUBSUB | -2 | - | slow | pubsub | - | -
PUBSUB CHANNELS | -2 | loading pubsub stale | pubsub slow | pubsub | - | -
PUBSUB HELP | 2 | loading stale | slow | pubsub | - | -
PUBSUB NUMPAT | 2 | loading pubsub stale | pubsub slow | pubsub | - | -
PUBSUB NUMSUB | -2 | loading pubsub stale | pubsub slow | pubsub | - | -
PUBSUB SHARDCHANNELS | -2 | loading pubsub stale | pubsub slow | pubsub | - | -
PUBSUB SHARDNUMSUB | -2 | loading pubsub stale | pubsub slow | pubsub | - | -
PUNSUBSCRIBE | -1 | loading noscript pubsub stale | pubsub slow | pubsub | - | -
QUIT | -1 | allow_busy fast loading no_auth noscript stale | connection fast | connection | - | -
RANDOMKEY | 1 | readonly | keyspace read slow | generic | nondeterministic_output request_policy:all_shards response_policy:special | -
READONLY | 1 | fast loading stale | connection fast | cluster | - | -
READWRITE | 1 | fast loading stale | connection fast | cluster | - | -
RENAME | 3 | write | keyspace slow write | generic | - | 1: RW access delete; 2: OW update
RENAMENX | 3 | fast write | fast keyspace write | generic | - | 1: RW access delete; 2: OW insert
REPLCONF | -1 | admin allow_busy loading noscript stale | admin dangerous slow | server | - | -
REPLICAOF | 3 | admin no_async_loading noscript stale | admin dangerous slow | server | - | -
RESET | 1 | allow_busy fast loading no_auth noscript stale | connection fast | connection | - | -
RESTORE | -4 | denyoom write | dangerous keyspace slow write | generic | - | 1: OW update
RESTORE-ASKING | -4 | asking denyoom write | dangerous keyspace slow write | server | - | 1: OW update
ROLE | 1 | fast loading noscript stale | admin dangerous fast | server | - | -
RPOP | -2 | fast write | fast list write | list | - | 1: RW access delete
RPOPLPUSH | 3 | denyoom write | list slow write | list | - | 1: RW access delete; 2: RW insert
RPUSH | -3 | denyoom fast write | fast list write | list | - | 1: RW insert
RPUSHX | -3 | denyoom fast write | fast list write | list | - | 1: RW insert
SADD | -3 | denyoom fast write | fast set write | set | - | 1: RW insert
SAVE | 1 | admin no_async_loading no_multi noscript | admin dangerous slow | server | - | -
SCAN | -2 | readonly | keyspace read slow | generic | nondeterministic_output request_policy:special response_policy:special | -
SCARD | 2 | fast readonly | fast read set | set | - | 1: RO
SCRIPT | -2 | - | slow | scripting | - | -
SCRIPT DEBUG | -3 | noscript | scripting slow | scripting | - | -
SCRIPT EXISTS | -3 | noscript stale | scripting slow | scripting | request_policy:all_shards response_policy:agg_logical_and | -
SCRIPT FLUSH | -2 | noscript stale | scripting slow | scripting | request_policy:all_nodes response_policy:all_succeeded | -
SCRIPT HELP | 2 | loading stale | scripting slow | scripting | - | -
SCRIPT KILL | 2 | allow_busy noscript | scripting slow | scripting | request_policy:all_shards response_policy:one_succeeded | -
SCRIPT LOAD | 3 | noscript stale | scripting slow | scripting | request_policy:all_nodes response_policy:all_succeeded | -
SCRIPT SHOW | 3 | noscript stale | scripting slow | scripting | - | -
SDIFF | -2 | readonly | read set slow | set | nondeterministic_output_order | 1 range -1 1 0: RO access
SDIFFCARD | -3 | movablekeys readonly | read set slow | set | - | 1 keynum 0 1 1: RO access
SDIFFSTORE | -3 | denyoom write | set slow write | set | - | 1: OW update; 2 range -1 1 0: RO access
SELECT | 2 | allow_busy fast loading stale | connection fast | connection | - | -
SENTINEL | -2 | admin | admin dangerous slow | sentinel | - | -
SENTINEL CKQUORUM | 3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL CONFIG | -4 | admin | admin dangerous slow | sentinel | - | -
SENTINEL DEBUG | -2 | admin | admin dangerous slow | sentinel | - | -
SENTINEL FAILOVER | -3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL FLUSHCONFIG | 2 | admin | admin dangerous slow | sentinel | - | -
SENTINEL GET-MASTER-ADDR-BY-NAME | 3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL GET-PRIMARY-ADDR-BY-NAME | 3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL HELP | 2 | loading stale | slow | sentinel | - | -
SENTINEL INFO-CACHE | -3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL IS-MASTER-DOWN-BY-ADDR | 6 | admin | admin dangerous slow | sentinel | - | -
SENTINEL IS-PRIMARY-DOWN-BY-ADDR | 6 | admin | admin dangerous slow | sentinel | - | -
SENTINEL MASTER | 3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL MASTERS | 2 | admin | admin dangerous slow | sentinel | - | -
SENTINEL MONITOR | 6 | admin | admin dangerous slow | sentinel | - | -
SENTINEL MYID | 2 | admin | admin dangerous slow | sentinel | - | -
SENTINEL PENDING-SCRIPTS | 2 | admin | admin dangerous slow | sentinel | - | -
SENTINEL PRIMARIES | 2 | admin | admin dangerous slow | sentinel | - | -
SENTINEL PRIMARY | 3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL REMOVE | 3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL REPLICAS | 3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL RESET | 3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL SENTINELS | 3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL SET | -5 | admin | admin dangerous slow | sentinel | - | -
SENTINEL SIMULATE-FAILURE | -3 | admin | admin dangerous slow | sentinel | - | -
SENTINEL SLAVES | 3 | admin | admin dangerous slow | sentinel | - | -
SET | -3 | denyoom write | slow string write | string | - | 1: RW access update variable_flags
SETBIT | 4 | denyoom write | bitmap slow write | bitmap | - | 1: RW access update
SETEX | 4 | denyoom write | slow string write | string | - | 1: OW update
SETNX | 3 | denyoom fast write | fast string write | string | - | 1: OW insert
SETRANGE | 4 | denyoom write | slow string write | string | - | 1: RW update
SHUTDOWN | -1 | admin allow_busy loading no_multi noscript stale | admin dangerous slow | server | - | -
SINTER | -2 | readonly | read set slow | set | nondeterministic_output_order | 1 range -1 1 0: RO access
SINTERCARD | -3 | movablekeys readonly | read set slow | set | - | 1 keynum 0 1 1: RO access
SINTERSTORE | -3 | denyoom write | set slow write | set | - | 1: OW update; 2 range -1 1 0: RO access
SISMEMBER | 3 | fast readonly | fast read set | set | - | 1: RO
SLAVEOF | 3 | admin no_async_loading noscript stale | admin dangerous slow | server | - | -
SLOWLOG | -2 | - | slow | server | - | -
SLOWLOG GET | -2 | admin loading stale | admin dangerous slow | server | nondeterministic_output request_policy:all_nodes | -
SLOWLOG HELP | 2 | loading stale | slow | server | - | -
SLOWLOG LEN | 2 | admin loading stale | admin dangerous slow | server | nondeterministic_output request_policy:all_nodes response_policy:agg_sum | -
SLOWLOG RESET | 2 | admin loading stale | admin dangerous slow | server | request_policy:all_nodes response_policy:all_succeeded | -
SMEMBERS | 2 | readonly | read set slow | set | nondeterministic_output_order | 1: RO access
SMISMEMBER | -3 | fast readonly | fast read set | set | - | 1: RO access
SMOVE | 4 | fast write | fast set write | set | - | 1: RW access delete; 2: RW insert
SORT | -2 | denyoom movablekeys write | dangerous list set slow sortedset write | generic | - | 1: RO access; unknown: RO access; unknown: OW update
SORT_RO | -2 | movablekeys readonly | dangerous list read set slow sortedset | generic | dont_cache | 1: RO access; unknown: RO access
SPOP | -2 | fast write | fast set write | set | nondeterministic_output | 1: RW access delete
SPUBLISH | 3 | fast loading pubsub stale | fast pubsub | pubsub | - | 1: not_key
SRANDMEMBER | -2 | readonly | read set slow | set | nondeterministic_output | 1: RO access
SREM | -3 | fast write | fast set write | set | - | 1: RW delete
SSCAN | -3 | readonly | read set slow | set | nondeterministic_output | 1: RO access
SSUBSCRIBE | -2 | loading noscript pubsub stale | pubsub slow | pubsub | - | 1 range -1 1 0: not_key
STRALGO | -2 | movablekeys readonly | read slow string | string | - | KEYS 1 range 1 1 0: RO access
STRLEN | 2 | fast readonly | fast read string | string | - | 1: RO
SUBSCRIBE | -2 | loading noscript pubsub stale | pubsub slow | pubsub | - | -
SUBSTR | 4 | readonly | read slow string | string | - | 1: RO access
SUNION | -2 | readonly | read set slow | set | nondeterministic_output_order | 1 range -1 1 0: RO access
SUNIONCARD | -3 | movablekeys readonly | read set slow | set | - | 1 keynum 0 1 1: RO access
SUNIONSTORE | -3 | denyoom write | set slow write | set | - | 1: OW update; 2 range -1 1 0: RO access
SUNSUBSCRIBE | -1 | loading noscript pubsub stale | pubsub slow | pubsub | - | 1 range -1 1 0: not_key
SWAPDB | 3 | fast write | dangerous fast keyspace write | server | - | -
SYNC | 1 | admin no_async_loading no_multi noscript | admin dangerous slow | server | - | -
TDIGEST.ADD | -3 | denyoom module write | tdigest write | tdigest | - | 1: RW
TDIGEST.BYRANK | -3 | module readonly | fast read tdigest | tdigest | - | 1: RO
TDIGEST.BYREVRANK | -3 | module readonly | fast read tdigest | tdigest | - | 1: RO
TDIGEST.CDF | -3 | module readonly | fast read tdigest | tdigest | - | 1: RO
TDIGEST.CREATE | -2 | denyoom module write | fast tdigest write | tdigest | - | 1: RW
TDIGEST.INFO | 2 | module readonly | fast read tdigest | tdigest | dont_cache | 1: RO
TDIGEST.MAX | 2 | module readonly | fast read tdigest | tdigest | - | 1: RO
TDIGEST.MERGE | -4 | denyoom module movablekeys write | tdigest write | tdigest | - | 1: RW; 2 keynum 0 1 1: RO
TDIGEST.MIN | 2 | module readonly | fast read tdigest | tdigest | - | 1: RO
TDIGEST.QUANTILE | -3 | module readonly | fast read tdigest | tdigest | - | 1: RO
TDIGEST.RANK | -3 | module readonly | fast read tdigest | tdigest | - | 1: RO
TDIGEST.RESET | 2 | denyoom module write | fast tdigest write | tdigest | - | 1: RW
TDIGEST.REVRANK | -3 | module readonly | fast read tdigest | tdigest | - | 1: RO
TDIGEST.TRIMMED_MEAN | 4 | module readonly | read tdigest | tdigest | - | 1: RO
TIME | 1 | fast loading stale | fast | server | nondeterministic_output | -
TOPK.ADD | -3 | denyoom module write | topk write | topk | - | 1: RW
TOPK.COUNT | -3 | module readonly | read topk | topk | - | 1: RO
TOPK.INCRBY | -4 | denyoom module write | topk write | topk | - | 1: RW
TOPK.INFO | 2 | module readonly | fast read topk | topk | - | 1: RO
TOPK.LIST | -2 | module readonly | read topk | topk | - | 1: RO
TOPK.QUERY | -3 | module readonly | read topk | topk | - | 1: RO
TOPK.RESERVE | -3 | denyoom module write | fast topk write | topk | - | 1: RW
TOUCH | -2 | fast readonly | fast keyspace read | generic | dont_cache request_policy:multi_shard response_policy:agg_sum | 1 range -1 1 0: RO
TRIMSLOTS | -5 | write | dangerous keyspace slow write | server | - | -
TS.ADD | -4 | denyoom module write | timeseries write | timeseries | - | 1: RW insert
TS.ALTER | -2 | denyoom module write | timeseries write | timeseries | - | 1: RW
TS.CREATE | -2 | denyoom module write | fast timeseries write | timeseries | - | 1: RW insert
TS.CREATERULE | -5 | fast module write | timeseries write | timeseries | - | 1: RO; 2: RW
TS.DECRBY | -3 | denyoom module write | timeseries write | timeseries | - | 1: RW
TS.DEL | 4 | module write | timeseries write | timeseries | - | 1: RW
TS.DELETERULE | 3 | module write | fast timeseries write | timeseries | - | 1: RO; 2: RW
TS.GET | -2 | module readonly | fast read timeseries | timeseries | - | 1: RO
TS.INCRBY | -3 | denyoom module write | timeseries write | timeseries | - | 1: RW
TS.INFO | -2 | module readonly | fast read timeseries | timeseries | dont_cache | 1: RO
TS.MADD | -4 | denyoom module write | timeseries write | timeseries | - | 1 range -1 3 0: RW insert
TS.MGET | -3 | module readonly | read timeseries | timeseries | dont_cache | -
TS.MRANGE | -4 | module readonly | read timeseries | timeseries | dont_cache | -
TS.MREVRANGE | -4 | module readonly | read timeseries | timeseries | dont_cache | -
TS.NRANGE | -5 | module movablekeys readonly | read timeseries | timeseries | dont_cache | 1 keynum 0 1 1: RO access
TS.NREVRANGE | -5 | module movablekeys readonly | read timeseries | timeseries | dont_cache | 1 keynum 0 1 1: RO access
TS.QUERYINDEX | -2 | module readonly | read timeseries | timeseries | dont_cache | -
TS.QUERYLABELS | -2 | module readonly | read timeseries | timeseries | dont_cache | -
TS.RANGE | -4 | module readonly | read timeseries | timeseries | - | 1: RO
TS.READ | -3 | module readonly | read timeseries | timeseries | dont_cache | 1: RO
TS.REVRANGE | -4 | module readonly | read timeseries | timeseries | - | 1: RO
TTL | 2 | fast readonly | fast keyspace read | generic | nondeterministic_output | 1: RO access
TYPE | 2 | fast readonly | fast keyspace read | generic | - | 1: RO
UNLINK | -2 | fast write | fast keyspace write | generic | request_policy:multi_shard response_policy:agg_sum | 1 range -1 1 0: RM delete
UNSUBSCRIBE | -1 | loading noscript pubsub stale | pubsub slow | pubsub | - | -
UNWATCH | 1 | allow_busy fast loading noscript stale | fast transaction | transactions | - | -
VADD | -1 | denyoom module write | - | module | - | 1: RW access update
VCARD | -1 | fast module readonly | - | module | - | 1: RO access
VDIM | -1 | fast module readonly | - | module | - | 1: RO access
VEMB | -1 | fast module readonly | - | module | - | 1: RO access
VGETATTR | -1 | fast module readonly | - | module | - | 1: RO access
VINFO | -1 | fast module readonly | - | module | - | 1: RO access
VISMEMBER | -1 | module readonly | - | module | - | 1: RO access
VLINKS | -1 | fast module readonly | - | module | - | 1: RO access
VRANDMEMBER | -1 | module readonly | - | module | nondeterministic_output | 1: RO access
VRANGE | -4 | module readonly | - | module | - | 1: RO access
VREM | -1 | module write | - | module | - | 1: RW access update
VSETATTR | -1 | fast module write | - | module | - | 1: RW access update
VSIM | -1 | module readonly | - | module | - | 1: RO access
WAIT | 3 | blocking | blocking connection slow | generic | request_policy:all_shards response_policy:agg_min | -
WAITAOF | 4 | blocking | blocking connection slow | generic | request_policy:all_shards response_policy:agg_min | -
WATCH | -2 | allow_busy fast loading no_multi noscript stale | fast transaction | transactions | - | 1 range -1 1 0: RO
XACK | -4 | fast write | fast stream write | stream | - | 1: RW update
XACKDEL | -6 | fast write | fast stream write | stream | - | 1: RW delete update
XADD | -5 | denyoom fast write | fast stream write | stream | nondeterministic_output | 1: RW update
XAUTOCLAIM | -6 | fast write | fast stream write | stream | nondeterministic_output | 1: RW delete
XCFGSET | -2 | fast write | fast stream write | stream | - | 1: RW update
XCLAIM | -6 | fast write | fast stream write | stream | nondeterministic_output | 1: RW update
XDEL | -3 | fast write | fast stream write | stream | - | 1: RW delete
XDELEX | -5 | fast write | fast stream write | stream | - | 1: RW delete
XGROUP | -2 | - | slow | stream | - | -
XGROUP CREATE | -5 | denyoom write | slow stream write | stream | - | 2: RW insert
XGROUP CREATECONSUMER | 5 | denyoom write | slow stream write | stream | - | 2: RW insert
XGROUP DELCONSUMER | 5 | write | slow stream write | stream | - | 2: RW delete
XGROUP DESTROY | 4 | write | slow stream write | stream | - | 2: RW delete
XGROUP HELP | 2 | loading stale | slow stream | stream | - | -
XGROUP SETID | -5 | write | slow stream write | stream | - | 2: RW update
XIDMPRECORD | 5 | denyoom fast write | fast stream write | stream | - | 1: RW update
XINFO | -2 | - | slow | stream | - | -
XINFO CONSUMERS | 4 | readonly | read slow stream | stream | nondeterministic_output | 2: RO access
XINFO GROUPS | 3 | readonly | read slow stream | stream | dont_cache | 2: RO access
XINFO HELP | 2 | loading stale | slow stream | stream | - | -
XINFO STREAM | -3 | readonly | read slow stream | stream | dont_cache | 2: RO access
XLEN | 2 | fast readonly | fast read stream | stream | - | 1: RO
XNACK | -7 | fast write | fast stream write | stream | - | 1: RW update
XPENDING | -3 | readonly | read slow stream | stream | nondeterministic_output | 1: RO access
XRANGE | -4 | readonly | read slow stream | stream | - | 1: RO access
XREAD | -4 | blocking movablekeys readonly | blocking read slow stream | stream | - | STREAMS 1 range -1 1 2: RO access
XREADGROUP | -7 | blocking movablekeys write | blocking slow stream write | stream | - | STREAMS 4 range -1 1 2: RO access
XREVRANGE | -4 | readonly | read slow stream | stream | - | 1: RO access
XSETID | -3 | denyoom fast write | fast stream write | stream | - | 1: RW update
XTRIM | -4 | write | slow stream write | stream | nondeterministic_output | 1: RW delete
ZADD | -4 | denyoom fast write | fast sortedset write | sorted-set | - | 1: RW update
ZCARD | 2 | fast readonly | fast read sortedset | sorted-set | - | 1: RO
ZCOUNT | 4 | fast readonly | fast read sortedset | sorted-set | - | 1: RO access
ZDIFF | -3 | movablekeys readonly | read slow sortedset | sorted-set | - | 1 keynum 0 1 1: RO access
ZDIFFSTORE | -4 | denyoom movablekeys write | slow sortedset write | sorted-set | - | 1: OW update; 2 keynum 0 1 1: RO access
ZINCRBY | 4 | denyoom fast write | fast sortedset write | sorted-set | - | 1: RW access update
ZINTER | -3 | movablekeys readonly | read slow sortedset | sorted-set | - | 1 keynum 0 1 1: RO access
ZINTERCARD | -3 | movablekeys readonly | read slow sortedset | sorted-set | - | 1 keynum 0 1 1: RO access
ZINTERSTORE | -4 | denyoom movablekeys write | slow sortedset write | sorted-set | - | 1: OW update; 2 keynum 0 1 1: RO access
ZLEXCOUNT | 4 | fast readonly | fast read sortedset | sorted-set | - | 1: RO access
ZMPOP | -4 | movablekeys write | slow sortedset write | sorted-set | - | 1 keynum 0 1 1: RW access delete
ZMSCORE | -3 | fast readonly | fast read sortedset | sorted-set | - | 1: RO access
ZPOPMAX | -2 | fast write | fast sortedset write | sorted-set | - | 1: RW access delete
ZPOPMIN | -2 | fast write | fast sortedset write | sorted-set | - | 1: RW access delete
ZRANDMEMBER | -2 | readonly | read slow sortedset | sorted-set | nondeterministic_output | 1: RO access
ZRANGE | -4 | readonly | read slow sortedset | sorted-set | - | 1: RO access
ZRANGEBYLEX | -4 | readonly | read slow sortedset | sorted-set | - | 1: RO access
ZRANGEBYSCORE | -4 | readonly | read slow sortedset | sorted-set | - | 1: RO access
ZRANGESTORE | -5 | denyoom write | slow sortedset write | sorted-set | - | 1: OW update; 2: RO access
ZRANK | -3 | fast readonly | fast read sortedset | sorted-set | - | 1: RO access
ZREM | -3 | fast write | fast sortedset write | sorted-set | - | 1: RW delete
ZREMRANGEBYLEX | 4 | write | slow sortedset write | sorted-set | - | 1: RW delete
ZREMRANGEBYRANK | 4 | write | slow sortedset write | sorted-set | - | 1: RW delete
ZREMRANGEBYSCORE | 4 | write | slow sortedset write | sorted-set | - | 1: RW delete
ZREVRANGE | -4 | readonly | read slow sortedset | sorted-set | - | 1: RO access
ZREVRANGEBYLEX | -4 | readonly | read slow sortedset | sorted-set | - | 1: RO access
ZREVRANGEBYSCORE | -4 | readonly | read slow sortedset | sorted-set | - | 1: RO access
ZREVRANK | -3 | fast readonly | fast read sortedset | sorted-set | - | 1: RO access
ZSCAN | -3 | readonly | read slow sortedset | sorted-set | nondeterministic_output | 1: RO access
ZSCORE | 3 | fast readonly | fast read sortedset | sorted-set | - | 1: RO access
ZUNION | -3 | movablekeys readonly | read slow sortedset | sorted-set | - | 1 keynum 0 1 1: RO access
ZUNIONSTORE | -4 | denyoom movablekeys write | slow sortedset write | sorted-set | - | 1: OW update; 2 keynum 0 1 1: RO access
"""

COMMANDS: Final[dict[str, str]] = dict(row.split(" | ", 1) for row in _TABLE.splitlines())
"""The commands by name, in order: the rest of each line, as text.

``key_specs`` tells the notation of the key specifications.
"""
