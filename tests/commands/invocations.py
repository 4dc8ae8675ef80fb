"""Invocations that between them have every command with keys, and every shape of key arguments."""

from __future__ import annotations

import shlex

_AS_TEXT = """
APPEND k v
BITCOUNT k
BITCOUNT k 0 -1 BIT
BITFIELD k
BITFIELD k GET u8 0
BITFIELD k get u8 0 GET u4 8
BITFIELD k SET u8 0 1
BITFIELD k INCRBY u8 0 1
BITFIELD k GET u8 0 SET u8 0 1
BITFIELD k OVERFLOW SAT GET u8 0
BITFIELD k overflow sat incrby u8 0 1
BITFIELD k GET u8
BITFIELD k OVERFLOW
BITFIELD k NONSENSE
BITFIELD_RO k GET u8 0
BITOP AND destination a b c
BITOP not destination a
BITPOS k 1
BLMOVE source destination LEFT RIGHT 0
BLMPOP 0 2 a b LEFT
BLMPOP 0 1 a right COUNT 3
BLPOP a 0
BLPOP a b c 0
BRPOP a b 0.5
BRPOPLPUSH source destination 0
BZMPOP 0 2 a b MIN COUNT 2
BZPOPMAX a b 0
BZPOPMIN a 1
CLUSTERSCAN 0
COPY source destination
COPY source destination DB 2 REPLACE
DECR k
DECRBY k 2
DEL a
DEL a b c
DELEX k
DELEX k IFEQ v
DELIFEQ k v
DIGEST k
DUMP k
EVAL script 0
EVAL script 0 argument
EVAL script 1 a
EVAL script 2 a b argument
eval script 3 a b c
EVALSHA sha 2 a b
EVALSHA_RO sha 1 a argument
EVAL_RO script 1 a
EXISTS a
EXISTS a b a
EXPIRE k 10
EXPIRE k 10 NX
EXPIREAT k 10
EXPIRETIME k
FCALL function 0
FCALL function 2 a b argument
FCALL_RO function 1 a
GEOADD k 13.4 52.5 berlin
GEOADD k NX CH 13.4 52.5 berlin
GEODIST k a b km
GEOHASH k a b
GEOPOS k a b
GEORADIUS k 15 37 200 km
GEORADIUS k 15 37 200 km ASC COUNT 3
GEORADIUS k 15 37 200 km STORE destination
GEORADIUS k 15 37 200 km STOREDIST destination
GEORADIUS k 15 37 200 km COUNT 3 ANY storedist destination
GEORADIUS k 15 37 200 km STORE
GEORADIUSBYMEMBER k member 200 km
GEORADIUSBYMEMBER k member 200 km WITHCOORD
GEORADIUSBYMEMBER k member 200 km store destination ASC
GEORADIUSBYMEMBER k member 200 km DESC STOREDIST destination
GEORADIUSBYMEMBER_RO k member 200 km
GEORADIUS_RO k 15 37 200 km
GEOSEARCH k FROMMEMBER m BYRADIUS 10 km
GEOSEARCHSTORE destination source FROMLONLAT 1 2 BYBOX 3 4 km STOREDIST
GET k
get k
GETBIT k 0
GETDEL k
GETEX k
GETEX k EX 10
GETRANGE k 0 -1
GETSET k v
HDEL k f
HDEL k f g
HEXISTS k f
HEXPIRE k 10 FIELDS 1 f
HEXPIREAT k 10 NX FIELDS 2 f g
HEXPIRETIME k FIELDS 1 f
HGET k f
HGETALL k
HGETDEL k FIELDS 1 f
HGETEX k EX 10 FIELDS 1 f
HINCRBY k f 1
HINCRBYFLOAT k f 1.5
HKEYS k
HLEN k
HMGET k f g
HMSET k f v
HPERSIST k FIELDS 1 f
HPEXPIRE k 10 FIELDS 1 f
HPEXPIREAT k 10 FIELDS 1 f
HPEXPIRETIME k FIELDS 1 f
HPTTL k FIELDS 1 f
HRANDFIELD k
HRANDFIELD k 3 WITHVALUES
HSCAN k 0
HSCAN k 0 MATCH a* COUNT 5 NOVALUES
HSET k f v g w
HSETEX k FIELDS 1 f v
HSETEX k FNX EX 10 FIELDS 1 f v
HSETNX k f v
HSTRLEN k f
HTTL k FIELDS 1 f
HVALS k
INCR k
INCRBY k 2
INCRBYFLOAT k 1.5
LCS a b
LCS a b IDX MINMATCHLEN 3
LINDEX k 0
LINSERT k BEFORE a b
LLEN k
LMOVE source destination LEFT RIGHT
LMPOP 1 a LEFT
LMPOP 3 a b c RIGHT COUNT 2
LPOP k
LPOP k 2
LPOS k v
LPUSH k a b
LPUSHX k a
LRANGE k 0 -1
LREM k 0 v
LSET k 0 v
LTRIM k 0 1
MEMORY USAGE k
MEMORY usage k SAMPLES 5
MGET a
MGET a b c d
MIGRATE host 6379 k 0 1000
MIGRATE host 6379 k 0 1000 COPY REPLACE
MIGRATE host 6379 '' 0 1000 KEYS a
MIGRATE host 6379 '' 0 1000 keys a b c
MIGRATE host 6379 '' 0 1000 COPY REPLACE AUTH secret KEYS a b
MIGRATE host 6379 '' 0 1000 AUTH keys KEYS a b
MIGRATE host 6379 '' 0 1000 AUTH2 keys keys KEYS a b
MIGRATE host 6379 '' 0 1000
MIGRATE host 6379 k 0 1000 AUTH keys
MOVE k 1
MSET a 1
MSET a 1 b 2 c 3
MSETEX 1 a 1
MSETEX 2 a 1 b 2 EX 10
MSETNX a 1 b 2
OBJECT ENCODING k
object freq k
OBJECT IDLETIME k
OBJECT REFCOUNT k
PERSIST k
PEXPIRE k 10
PEXPIREAT k 10
PEXPIRETIME k
PFADD k a b
PFADD k
PFCOUNT a
PFCOUNT a b
PFDEBUG ENCODING k
PFMERGE destination a
PFMERGE destination a b
PSETEX k 10 v
PTTL k
RENAME a b
RENAMENX a b
RESTORE k 0 payload
RESTORE k 0 payload REPLACE
RESTORE-ASKING k 0 payload
RPOP k
RPOPLPUSH source destination
RPUSH k a b
RPUSHX k a
SADD k a b
SCARD k
SDIFF a b
SDIFFSTORE destination a b
SET k v
SET k v EX 10
SET k v NX GET
set k v get
SET k v GET EX 10
SET k v PX 10 XX
SET k get
SET get v
SETBIT k 0 1
SETEX k 10 v
SETNX k v
SETRANGE k 0 v
SINTER a
SINTER a b
SINTERCARD 1 a
SINTERCARD 2 a b LIMIT 5
SINTERSTORE destination a b
SISMEMBER k m
SMEMBERS k
SMISMEMBER k a b
SMOVE source destination m
SORT k
SORT k ALPHA DESC LIMIT 0 10
SORT k BY weight_* GET # GET data_*
SORT k STORE destination
SORT k DESC store destination BY weight_*
SORT k BY STORE
SORT k BY store GET store STORE destination
SORT k LIMIT 0 store
SORT k LIMIT 0 store ALPHA
SORT k STORE a STORE b
SORT_RO k
SORT_RO k BY weight_* GET # LIMIT 0 10
SPOP k
SPOP k 2
SPUBLISH channel message
SRANDMEMBER k
SREM k a b
SSCAN k 0
SSUBSCRIBE channel
SSUBSCRIBE channel another
STRLEN k
SUBSTR k 0 1
SUNION a b c
SUNIONSTORE destination a
SUNSUBSCRIBE channel
TOUCH a b
TTL k
TYPE k
UNLINK a b
VADD k VALUES 2 1 2 element
VADD k REDUCE 2 VALUES 3 1 2 3 element
VCARD k
VDIM k
VEMB k element
VGETATTR k element
VINFO k
VISMEMBER k element
VLINKS k element
VRANDMEMBER k 2
VRANGE k - +
VREM k element
VSETATTR k element {}
VSIM k ELE element COUNT 3
WATCH a
WATCH a b
XACK k group 1-1
XACKDEL k group IDS 1 1-1
XADD k * f v
XADD k NOMKSTREAM MAXLEN ~ 10 * f v
XAUTOCLAIM k group consumer 0 0
XCLAIM k group consumer 0 1-1
XDEL k 1-1
XDELEX k IDS 1 1-1
XGROUP CREATE k group $
XGROUP CREATECONSUMER k group consumer
xgroup delconsumer k group consumer
XGROUP DESTROY k group
XGROUP SETID k group $
XINFO CONSUMERS k group
XINFO GROUPS k
XINFO STREAM k
XINFO STREAM k FULL COUNT 3
XLEN k
XPENDING k group
XPENDING k group IDLE 10 - + 5
XRANGE k - +
XREAD STREAMS a 0
XREAD STREAMS a b 0 $
XREAD COUNT 2 STREAMS a b c 0 0 0
XREAD BLOCK 0 COUNT 2 streams a b 0 0
XREAD count 2 block 0 Streams a 0
XREAD STREAMS streams 0
XREADGROUP GROUP group consumer STREAMS a >
XREADGROUP GROUP group consumer COUNT 1 BLOCK 0 NOACK STREAMS a b > >
XREADGROUP GROUP streams streams STREAMS a >
XREADGROUP COUNT 1 GROUP group consumer NOACK STREAMS a >
XREVRANGE k + -
XSETID k 1-1
XTRIM k MAXLEN 10
ZADD k 1 a
ZADD k NX CH 1 a 2 b
ZCARD k
ZCOUNT k -inf +inf
ZDIFF 2 a b
ZDIFF 2 a b WITHSCORES
ZDIFFSTORE destination 2 a b
ZINCRBY k 1 m
ZINTER 2 a b WEIGHTS 1 2
ZINTERCARD 2 a b LIMIT 3
ZINTERSTORE destination 1 a
ZINTERSTORE destination 2 a b WEIGHTS 1 2 AGGREGATE MAX
ZLEXCOUNT k - +
ZMPOP 2 a b MAX
ZMSCORE k a b
ZPOPMAX k
ZPOPMIN k 2
ZRANDMEMBER k 3
ZRANGE k 0 -1
ZRANGE k 0 -1 REV WITHSCORES
ZRANGEBYLEX k - +
ZRANGEBYSCORE k 0 1 LIMIT 0 1
ZRANGESTORE destination source 0 -1
ZRANK k m
ZREM k a b
ZREMRANGEBYLEX k - +
ZREMRANGEBYRANK k 0 1
ZREMRANGEBYSCORE k 0 1
ZREVRANGE k 0 -1
ZREVRANGEBYLEX k + -
ZREVRANGEBYSCORE k 1 0
ZREVRANK k m
ZSCAN k 0
ZSCORE k m
ZUNION 3 a b c
ZUNIONSTORE destination 3 a b c AGGREGATE SUM
ACL WHOAMI
CONFIG GET maxmemory
DBSIZE
DEBUG OBJECT k
INFO server
KEYS *
PING
PUBLISH channel message
SCAN 0 MATCH a*
SUBSCRIBE channel
"""

_WITH_OTHER_TYPES: tuple[tuple[object, ...], ...] = (
    (b"GET", b"k"),
    ("GET", bytearray(b"k")),
    ("GET", memoryview(b"k")),
    ("GET", 12),
    ("GET", 1.5),
    ("GET", "schlüssel"),
    (b"\x6dget", b"\xff\x00", 7, memoryview(b"b")),
    (b"SET", b"k", b"v", b"get"),
    ("SET", "k", 1, bytearray(b"GET")),
    ("SET", "k", "v", "EX", 10),
    ("EVAL", "script", 2, "a", "b"),
    ("EVAL", "script", b"2", b"a", b"b", b"argument"),
    ("EVAL", "script", memoryview(b"1"), "a"),
    ("ZUNIONSTORE", "destination", 2, b"a", "b"),
    ("LMPOP", bytearray(b"2"), "a", "b", "LEFT"),
    ("MSETEX", 2, "a", 1, b"b", 2.5),
    ("SORT", 1, b"BY", b"nosort", memoryview(b"store"), 2),
    ("XREAD", b"COUNT", 2, b"STREAMS", b"a", b"b", 0, 0),
    ("XREADGROUP", b"GROUP", b"g", b"c", memoryview(b"streams"), 5, ">"),
    ("MIGRATE", b"host", 6379, b"", 0, 1000, b"KEYS", b"a", 3),
    ("MIGRATE", "host", 6379, memoryview(b""), 0, 1000, bytearray(b"keys"), "a"),
    ("GEORADIUS", "k", 15.0, 37.0, 200, "km", memoryview(b"STORE"), "destination"),
    ("BITFIELD", "k", b"GET", "u8", 0),
    ("MEMORY", b"USAGE", b"k"),
    ("BLPOP", "a", "b", 0),
    ("BITOP", b"AND", "destination", b"a"),
)

INVOCATIONS: tuple[tuple[object, ...], ...] = (
    *(tuple(shlex.split(line)) for line in _AS_TEXT.strip().splitlines()),
    *_WITH_OTHER_TYPES,
)
"""Wire arguments, the words of the name first."""
