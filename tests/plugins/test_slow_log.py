"""slow_log, on a server that does what the test says: what is slow, what is noted, what is kept."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from redis_middleware import Place
from redis_middleware.testing import FakeClock, Script, client_view
from redis_middleware.testing import command as make_command
from redis_middleware_plugins.slow_log import SlowEntry, SlowLog, SlowLogSettings

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def slow_log(clock: FakeClock | None = None, **settings: Any) -> SlowLog:
    """The plugin with these settings, on clocks that the test moves."""
    clock = clock or FakeClock()
    return SlowLog(
        SlowLogSettings.model_validate(settings),
        clock=clock,
        wall_clock=lambda: START.timestamp() + clock(),
        random_bytes=lambda count: b"r" * count,
    )


def script_of(client: Any = None, **settings: Any) -> tuple[Script, SlowLog]:
    """A scripted server, and the plugin around it."""
    clock = FakeClock()
    plugin = slow_log(clock, **settings)
    return Script(plugin, clock=clock, client=client), plugin


def entry_of(plugin: SlowLog) -> SlowEntry:
    """The only entry."""
    (entry,) = plugin.entries()
    return entry


def test_a_slow_command_is_noted_with_all_but_its_values() -> None:
    """Name, keys, sizes, duration, server and place are in the entry; the reply is untouched."""
    script, plugin = script_of(threshold="10 ms")
    script.clock.advance(1)
    reply = {b"field": b"secret"}
    assert script.replies(reply, takes=0.5).run("HGETALL", "user:1") is reply
    entry = entry_of(plugin)
    assert entry == SlowEntry(
        at=datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC),
        name="HGETALL",
        commands={"HGETALL": 1},
        keys=("user:1",),
        key_count=1,
        arguments_size=13,
        reply_size=11,
        duration=0.5,
        threshold=0.01,
        servers=("server.test:6379",),
        place="single",
        errors={},
    )


def test_a_quick_command_is_not_noted() -> None:
    """What takes less than the threshold leaves no entry, what takes as long does."""
    script, plugin = script_of(threshold=0.5)
    script.replies(b"v", takes=0.25).run("GET", "k")
    assert plugin.entries() == ()
    script.replies(b"v", takes=0.5).run("GET", "k")
    assert entry_of(plugin).duration == 0.5


@pytest.mark.parametrize("name", ["hgetall", "HGETALL", " HGetAll "])
def test_a_command_can_have_a_threshold_of_its_own(name: str) -> None:
    """Higher or lower than the others', whatever the case it is written in."""
    script, plugin = script_of(threshold=0.5, thresholds={name: 2, "get": "100 ms"})
    script.replies(b"", takes=1).run("HGETALL", "k")
    script.replies(b"", takes=0.1).run("GET", "k")
    script.replies(b"", takes=0.1).run("TYPE", "k")
    assert [(entry.name, entry.threshold) for entry in plugin.entries()] == [("GET", 0.1)]


def test_the_first_of_two_words_stands_for_all_subcommands() -> None:
    """A threshold of CONFIG holds for CONFIG GET; one of CONFIG SET goes before it."""
    script, plugin = script_of(threshold=9, thresholds={"CONFIG": 1, "config set": 2})
    for arguments in (("CONFIG GET", "x"), ("CONFIG", "GET", "x"), ("CONFIG SET", "x", "y")):
        script.replies({}, takes=1.5).run(*arguments)
    assert [entry.name for entry in plugin.entries()] == ["CONFIG GET", "CONFIG GET"]


WAITING = [
    ("BLPOP", "a", "b", 0),
    ("BZPOPMIN", "a", 0),
    ("WAIT", 1, 0),
    ("XREAD", "BLOCK", 0, "STREAMS", "a", "$"),
    ("XREAD", b"block", b"0", b"streams", b"a", b"$"),
    ("XREADGROUP", "GROUP", "g", "me", "COUNT", 1, "BLOCK", 0, "STREAMS", "a", ">"),
]


@pytest.mark.parametrize("arguments", WAITING, ids=lambda arguments: arguments[0])
def test_a_command_that_waits_on_purpose_is_noted_only_if_named(arguments: Any) -> None:
    """Waiting is not slowness, unless the settings say from when on it is."""
    script, plugin = script_of(threshold=0.1)
    script.replies(None, takes=5).run(*arguments)
    assert plugin.entries() == ()
    script, plugin = script_of(threshold=0.1, thresholds={arguments[0]: 3})
    script.replies(None, takes=2).run(*arguments)
    assert plugin.entries() == ()
    script.replies(None, takes=5).run(*arguments)
    assert entry_of(plugin).threshold == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("XREAD", "STREAMS", "a", "block", "0", "0"),
        ("XREADGROUP", "GROUP", "block", "me", "STREAMS", "a", ">"),
        ("LPOP", "a"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_that_could_wait_and_does_not_is_noted(arguments: Any) -> None:
    """XREAD waits only with the option BLOCK; a key or a group of that name is no option."""
    script, plugin = script_of(threshold=0.1)
    script.replies(None, takes=5).run(*arguments)
    assert entry_of(plugin).name == arguments[0]


def test_a_command_that_only_waits_costs_nothing() -> None:
    """The plugin does not want it, so that no flow is started for it."""
    script, _ = script_of()
    assert script.middleware.chains.of(("BLPOP", "k", 0)) is None
    assert script.middleware.chains.of(("GET", "k")) is not None


def test_a_failure_is_noted_by_its_type_alone() -> None:
    """The application gets the failure; its message, which may hold values, is not kept."""
    script, plugin = script_of(threshold=0.1)
    failure = redis.ResponseError("unknown command 'X', with args beginning with: 'secret'")
    script.replies(failure, takes=1)
    with pytest.raises(redis.ResponseError) as caught:
        script.run("HGET", "k", "secret")
    assert caught.value is failure
    entry = entry_of(plugin)
    assert (entry.errors, entry.reply_size) == ({"ResponseError": 1}, None)
    assert "secret" not in str(entry)


def test_an_interrupt_is_noted() -> None:
    """A command that was given up is one that took too long."""
    script, plugin = script_of(threshold=0.1)
    with pytest.raises(KeyboardInterrupt):
        script.replies(KeyboardInterrupt(), takes=1).run("GET", "k")
    assert entry_of(plugin).errors == {"KeyboardInterrupt": 1}


async def test_a_cancelled_task_is_noted() -> None:
    """A time limit of the application's, which cancels the command, leaves an entry."""
    script, plugin = script_of(threshold=0.1)

    async def never(_: object) -> None:
        script.clock.advance(3)
        await asyncio.Event().wait()

    script.answers(never)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(script.run_async("GET", "k"), 0.01)
    assert entry_of(plugin).errors == {"CancelledError": 1}


def test_what_redis_py_refuses_is_not_noted() -> None:
    """Arguments that cannot be sent were not slow, whatever the threshold."""
    script, plugin = script_of(threshold=0)
    with pytest.raises(redis.DataError):
        script.replies(redis.DataError("Invalid input of type: 'NoneType'")).run("GET", None)
    assert plugin.entries() == ()
    assert not script.bugs


def test_a_pipeline_is_noted_as_a_whole() -> None:
    """One entry with the names and counts, all sizes added up, and what failed in it."""
    script, plugin = script_of(threshold=0, batch_threshold=0.5)
    script.replies(True, b"v", redis.ResponseError("no"), takes=1)
    replies = script.pipeline(("SET", "a", "123"), ("GET", "a"), ("INCR", "b"))
    assert replies[:2] == [True, b"v"]
    entry = entry_of(plugin)
    assert (entry.name, entry.place) == ("PIPELINE", "pipeline")
    assert entry.commands == {"SET": 1, "GET": 1, "INCR": 1}
    assert (entry.keys, entry.key_count) == (("a", "b"), 2)
    assert (entry.arguments_size, entry.reply_size) == (7 + 4 + 5, 1 + 1 + 2)
    assert (entry.duration, entry.threshold) == (1, 0.5)
    assert entry.errors == {"ResponseError": 1}


def test_a_transaction_is_noted_as_a_whole() -> None:
    """Its commands cannot wait inside MULTI, so even BLPOP counts."""
    script, plugin = script_of(threshold=0, batch_threshold=0.5)
    script.replies(None, 1, takes=1).transaction(("BLPOP", "a", 0), ("INCR", "b"))
    entry = entry_of(plugin)
    assert (entry.name, entry.place) == ("TRANSACTION", "transaction")
    assert entry.commands == {"BLPOP": 1, "INCR": 1}


def test_a_pipeline_that_waits_on_purpose_is_not_noted() -> None:
    """One BLPOP without a threshold of its own makes the time of the whole meaningless."""
    script, plugin = script_of(threshold=0, batch_threshold=0.5)
    script.replies(None, 1, takes=1).pipeline(("BLPOP", "a", 0), ("INCR", "b"))
    assert plugin.entries() == ()


def test_a_pipeline_may_take_as_long_as_its_slowest_command() -> None:
    """The highest of the thresholds that hold for it counts."""
    script, plugin = script_of(batch_threshold=0.5, thresholds={"EVAL": 2, "GET": 0.1})
    script.replies(1, b"", takes=1).pipeline(("EVAL", "return 1", 0), ("GET", "a"))
    assert plugin.entries() == ()
    script.replies(1, b"", takes=3).pipeline(("EVAL", "return 1", 0), ("GET", "a"))
    assert entry_of(plugin).threshold == 2


def test_a_pipeline_that_is_lost_is_noted_once() -> None:
    """What fails as a whole counts as one failure and has no reply."""
    script, plugin = script_of(batch_threshold=0.5)
    script.loses(redis.ConnectionError("gone"), takes=1)
    with pytest.raises(redis.ConnectionError):
        script.pipeline(("GET", "a"), ("GET", "b"))
    entry = entry_of(plugin)
    assert (entry.errors, entry.reply_size) == ({"ConnectionError": 1}, None)


def test_a_command_under_watch_is_a_single_command() -> None:
    """It is sent by itself, so it is measured by itself."""
    script, plugin = script_of(threshold=0.1)
    script.replies(b"", takes=1).run(make_command("GET", "a", place=Place.WATCH))
    assert entry_of(plugin).place == "watch"
    assert "GET under WATCH took 1000.0 ms" in str(entry_of(plugin))


def test_keys_are_shown_so_that_a_line_stays_a_line() -> None:
    """Bytes that are no text and control characters are escaped, long keys cut."""
    script, plugin = script_of(threshold=0)
    script.replies(0).run("DEL", b"\xff\x00", "a\nERROR b", "ключ", "k" * 200)
    assert entry_of(plugin).keys == ("\\xff\\x00", "a\\nERROR b", "ключ", "k" * 100 + "...")


def test_of_many_keys_the_first_are_shown_and_all_are_counted() -> None:
    """A command with a thousand keys does not flood the log."""
    script, plugin = script_of(threshold=0)
    script.replies([]).run("MGET", *[f"k{number}" for number in range(1000)])
    entry = entry_of(plugin)
    assert entry.keys == tuple(f"k{number}" for number in range(8))
    assert entry.key_count == 1000
    assert "k7 and 992 more;" in str(entry)


def test_keys_can_be_hidden() -> None:
    """No key is shown anywhere; they are still counted."""
    script, plugin = script_of(threshold=0, keys="hidden")
    script.replies([]).run("MGET", "alice", "bob")
    entry = entry_of(plugin)
    assert (entry.keys, entry.key_count) == ((), 2)
    assert "alice" not in json.dumps(entry.as_dict()) + str(entry)
    assert "keys not shown" in str(entry)


def test_keys_can_be_hashed() -> None:
    """Equal keys have equal hashes, others others; hashes depend on the secret."""
    hashes = []
    for settings in ({}, {}, {"hash_secret": "s"}, {"hash_secret": "s"}, {"hash_secret": "t"}):
        script, plugin = script_of(threshold=0, keys="hashed", **settings)
        script.replies([]).run("MGET", "alice", "bob")
        hashes.append(entry_of(plugin).keys)
    assert hashes[0] == hashes[1] != hashes[2] == hashes[3] != hashes[4]
    assert all(len(set(keys)) == 2 and len(keys[0]) == 16 for keys in hashes)


def test_without_a_secret_hashes_cannot_be_foreseen() -> None:
    """Another start of the program, with other random bytes, has other hashes."""
    hashes = set()
    for number in range(2):
        settings = SlowLogSettings(threshold=0, keys="hashed")
        plugin = SlowLog(settings, random_bytes=lambda count, n=number: bytes([n]) * count)  # type: ignore[misc]
        Script(plugin).replies(b"").run("GET", "alice")
        hashes.add(entry_of(plugin).keys)
    assert len(hashes) == 2


def test_the_latest_entries_are_kept() -> None:
    """The oldest go when there is no room; the total tells that there were more."""
    script, plugin = script_of(threshold=0, keep=2)
    for number in range(5):
        script.replies(b"").run("GET", f"k{number}")
    assert [entry.keys for entry in plugin.entries()] == [("k3",), ("k4",)]
    assert plugin.total == 5
    plugin.clear()
    assert plugin.entries() == ()


def test_other_settings_while_running_keep_the_entries() -> None:
    """Thresholds change at once, what was noted stays, as much as is to be kept."""
    script, plugin = script_of(threshold=0)
    for number in range(5):
        script.replies(b"").run("GET", f"k{number}")
    plugin.reconfigure(SlowLogSettings(threshold=1, keep=3))
    script.replies(b"", takes=0.5).run("GET", "quick enough now")
    assert [entry.keys for entry in plugin.entries()] == [("k2",), ("k3",), ("k4",)]


def test_hashes_stay_the_same_when_settings_change() -> None:
    """A secret made at random lasts as long as the plugin."""
    script, plugin = script_of(threshold=0, keys="hashed")
    script.replies(b"").run("GET", "k")
    plugin.reconfigure(SlowLogSettings(threshold=0, keys="hashed", keep=5))
    script.replies(b"").run("GET", "k")
    first, second = plugin.entries()
    assert first.keys == second.keys


def test_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """One warning on the plugin's own logger, readable, with the entry's fields for JSON logs."""
    script, plugin = script_of(threshold=0.01)
    with caplog.at_level(logging.WARNING):
        script.replies(b"secret", takes=0.0255).run("GET", "user:1")
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("redis_middleware.slow_log", "WARNING")
    assert record.getMessage() == (
        "GET took 25.5 ms (threshold 10.0 ms); keys user:1; arguments 9 B, reply 6 B; "
        "server server.test:6379"
    )
    fields = record.slow_log  # type: ignore[attr-defined]
    assert fields == entry_of(plugin).as_dict()


def test_a_logged_batch_reads_well(caplog: pytest.LogCaptureFixture) -> None:
    """Counts of names and of failures are in the line."""
    script, _ = script_of(batch_threshold=1)
    script.replies(b"", b"", redis.ResponseError(""), takes=2)
    script.pipeline(("GET", "a"), ("GET", "a"), ("PING",))
    assert caplog.messages == [
        "PIPELINE of 2 GET, 1 PING took 2000.0 ms (threshold 1000.0 ms); keys a; "
        "arguments 12 B, reply 0 B; server server.test:6379; failed: 1 ResponseError"
    ]


def test_an_entry_is_json() -> None:
    """All fields survive JSON; the time is in ISO 8601 with its offset."""
    script, plugin = script_of(threshold=0, client=client_view(is_cluster=True))
    script.replies(b"").run("GET", b"\xff")
    fields = entry_of(plugin).as_dict()
    assert json.loads(json.dumps(fields)) == fields
    assert datetime.fromisoformat(fields["at"]) == START
    assert fields["servers"] == ["server.test:6379"]


def test_settings_default_to_ten_milliseconds() -> None:
    """Without a table the plugin is of use."""
    settings = SlowLogSettings()
    assert (settings.threshold, settings.batch_threshold, settings.keep) == (0.01, 0.05, 128)


def test_every_setting_is_described() -> None:
    """The description is what the command line and editors show."""
    assert all(field.description for field in SlowLogSettings.model_fields.values())
