"""Finding the big keys that are there: scans, reports, and the command ``bigkeys``."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from redis_middleware.cli.application import app
from redis_middleware.embedded import Cluster, SentinelDeployment, Server, standalone
from redis_middleware_plugins.size_guard.bigkeys import (
    CursorFile,
    CursorFileError,
    Progress,
    Report,
    find_nodes,
    key_sizes,
    run_scan,
)
from redis_middleware_plugins.size_guard.bigkeys.histogram import Histogram
from redis_middleware_plugins.size_guard.bigkeys.samples import KeysOfKind
from redis_middleware_plugins.size_guard.bigkeys.scanning import Scan


def _fill(client: Any) -> None:
    """500 keys of each type; of each type one is the big one."""
    for number in range(500):
        size = 300 if number == 77 else 3
        name = f"{number % 5}:{number}"
        client.set(f"string:{name}", "x" * (50_000 if size == 300 else 10), ex=1000)
        client.hset(f"hash:{name}", mapping={f"f{n}": "v" for n in range(size)})
        client.rpush(f"list:{name}", *range(size))
        client.sadd(f"set:{name}", *range(size))
        client.zadd(f"zset:{name}", {f"m{n}": n for n in range(size)})
    for _ in range(300):
        client.xadd("stream:0:77", {"f": "v"})
    client.set(b"\xff\xfe", b"not UTF-8")


def _scan(url: str, **options: Any) -> Report:
    nodes, is_cluster = find_nodes(url)
    progress = Progress(Report(top=5, by_slot=is_cluster, **options))
    run_scan(nodes, progress, hold=0.002, load=1.0)
    return progress.report


@pytest.fixture
def filled(clean_standalone: Server) -> Server:
    """The server with keys of every type."""
    with redis.Redis(port=clean_standalone.port) as client:
        _fill(client)
    return clean_standalone


@pytest.fixture
def without_scripts(filled: Server) -> Iterator[str]:
    """The URL of a user who may read, but not run scripts."""
    with filled.connect() as client:
        client.execute_command("ACL SETUSER", "reader", "on", ">pw", "~*", "+@all", "-@scripting")
        yield filled.url.replace("redis://", "redis://reader:pw@")
        client.execute_command("ACL DELUSER", "reader")


def _check(report: Report) -> None:
    """Everything that ``_fill`` made is in the report."""
    assert report.totals.count == 2502
    for kind in ("string", "hash", "list", "set", "zset"):
        found = report.kinds[kind]
        assert found.totals.count == (501 if kind == "string" else 500)
        assert found.largest[0].key == f"{kind}:2:77"
        assert len(found.largest) == 5
        if kind != "string":
            assert (found.longest[0].key, found.longest[0].elements) == (f"{kind}:2:77", 300)
            assert found.elements == 499 * 3 + 300
            assert found.totals.persistent == 500
    assert report.kinds["string"].totals.persistent == 1
    assert report.kinds["string"].longest == []
    assert report.kinds["stream"].longest[0].elements == 300
    assert set(report.groups) == {*report.kinds, "(no prefix)"}
    assert report.groups["hash"].count == 500


def test_a_scan_finds_every_key(filled: Server) -> None:
    """Counts, top lists, groups and keys without a time to live are those of the server."""
    report = _scan(filled.url)
    _check(report)
    with redis.Redis(port=filled.port) as client:
        assert report.kinds["hash"].largest[0].size == client.memory_usage("hash:2:77")


def test_a_scan_without_scripts_finds_the_same(without_scripts: str) -> None:
    """Where scripts are denied, pipelines find what scripts find."""
    nodes, _ = find_nodes(without_scripts)
    assert "scripts are denied" in Scan(nodes[0].client).method
    _check(_scan(without_scripts))


def test_servers_without_read_only_scripts_are_scanned_too() -> None:
    """Where EVAL_RO is not known, as before Redis 7.0, it is EVAL."""
    with standalone(config={"rename-command": 'EVAL_RO ""'}) as server:
        with redis.Redis(port=server.port) as client:
            _fill(client)
        ((node,), _) = find_nodes(server.url)
        assert Scan(node.client).method == "scripts (EVAL)"
        _check(_scan(server.url))


def test_a_cluster_is_scanned_on_its_replicas(clean_cluster: Cluster) -> None:
    """Every key of every node is found once, on a replica, with its slot."""
    with redis.RedisCluster.from_url(clean_cluster.url) as client:
        _fill(client)
        for node in clean_cluster.primaries:
            node.command("WAIT", 1, 2000)
    nodes, is_cluster = find_nodes(clean_cluster.url)
    assert is_cluster
    assert all(node.is_replica for node in nodes)
    report = _scan(clean_cluster.url)
    _check(report)
    assert len(report.nodes) == 3
    assert sum(totals.count for totals in report.slots.values()) == 2502
    assert not any(node.is_replica for node in find_nodes(clean_cluster.url, replicas=False)[0])


def test_a_server_is_scanned_on_its_replica(clean_sentinel: SentinelDeployment) -> None:
    """A replica that is online is preferred outside of clusters too; the primary can be chosen."""
    primary, (replica, *_) = clean_sentinel.primary, clean_sentinel.replicas
    with primary.connect() as client:
        client.set("k", "x")
        client.execute_command("WAIT", 1, 2000)
    for url, replicas, server, is_replica in (
        (primary.url, True, replica, True),
        (primary.url, False, primary, False),
        (replica.url, True, replica, True),
    ):
        ((node,), is_cluster) = find_nodes(url, replicas=replicas)
        assert (node.name, node.is_replica) == (f"127.0.0.1:{server.port}", is_replica)
        assert (node.keys, is_cluster) == (1, False)
    result = _run(primary.url, "-f", "json")
    assert f"127.0.0.1:{replica.port}, a replica" in result.stderr
    assert json.loads(result.stdout)["totals"]["count"] == 1
    assert f"127.0.0.1:{primary.port}: scripts" in _run(primary.url, "--primaries").stderr


def test_databases_can_be_chosen(clean_standalone: Server) -> None:
    """Every one that has keys, that of the URL, or those named; over sockets too."""
    server, socket = clean_standalone.url, f"unix://{clean_standalone.unix_socket}"
    for database in (0, 3, 7):
        with redis.Redis(port=clean_standalone.port, db=database) as client:
            client.mset({"in:all": 0, **{f"{database}:{n}": n for n in range(database)}})
    for arguments, counts in (
        ((server,), [1, 4, 8]),
        ((f"{server}/0",), [1]),
        ((f"{server}/3",), [4]),
        ((f"{server}?db=3",), [4]),
        ((f"{server}/3", "--db", 7, "--db", 0), [8, 1]),
        ((socket,), [1, 4, 8]),
        ((f"{socket}?db=7",), [8]),
    ):
        report = json.loads(_run(*arguments, "-f", "json", "-q").stdout)
        assert [node["count"] for node in report["nodes"]] == counts
    report = json.loads(_run(server, "-f", "json", "-q", "--top", 20).stdout)
    keys = [key["key"] for key in report["types"]["string"]["largest"]]
    assert keys.count("in:all") == 3
    assert [node["node"] for node in report["nodes"]] == [
        f"127.0.0.1:{clean_standalone.port}{end}" for end in ("", "/3", "/7")
    ]


def test_groups_can_go_deeper(filled: Server) -> None:
    """With a depth of two the groups have two parts of the name."""
    groups = _scan(filled.url, depth=2).groups
    assert groups["hash:3"].count == 100


def test_steps_hold_the_server_for_a_short_time(filled: Server) -> None:
    """The number of keys of a step is adapted: with a tiny hold there are many small steps."""
    (node,), _ = find_nodes(filled.url)
    long = list(Scan(node.client, hold=1.0).batches())
    short = list(Scan(node.client, hold=1e-5).batches())
    assert len(short) > 10 * len(long)


def test_the_load_can_be_limited(filled: Server) -> None:
    """At a load of a tenth, nine times as long as each step takes is waited after it."""
    slept: list[float] = []
    (node,), _ = find_nodes(filled.url)
    batches = list(Scan(node.client, load=0.1, sleep=slept.append).batches())
    assert len(slept) == len(batches)
    assert sum(slept) > 8 * sum(batch.held for batch in batches)


def test_a_scan_goes_on_where_it_was_broken_off(filled: Server, tmp_path: Path) -> None:
    """What was found before is in the file; together it is one whole report."""
    file = CursorFile(tmp_path / "cursor.json", filled.url)
    nodes, _ = find_nodes(filled.url)

    class Break(Exception):
        pass

    steps = 0

    def interrupt(count: int) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise Break

    with pytest.raises(Break):
        run_scan(
            nodes,
            Progress(Report(top=5)),
            hold=1e-4,
            load=1.0,
            cursor_file=file,
            advance=interrupt,
        )
    progress = file.load([node.name for node in nodes])
    assert progress is not None
    assert 0 < progress.report.totals.count < 2502
    nodes, _ = find_nodes(filled.url)
    run_scan(nodes, progress, hold=0.002, load=1.0, cursor_file=file)
    _check(progress.report)
    assert not file.path.exists()


def test_a_cursor_file_is_of_one_target(tmp_path: Path) -> None:
    """A file of another scan, or one that is no cursor file, is refused with a reason."""
    path = tmp_path / "cursor.json"
    CursorFile(path, "redis://one").save(Progress(Report()))
    with pytest.raises(CursorFileError, match="is of a scan of redis://one"):
        CursorFile(path, "redis://other").load(["one"])
    CursorFile(path, "redis://one").save(Progress(Report(), {"one:6379": "5", "two:6379": None}))
    with pytest.raises(CursorFileError, match="of a scan of two:6379, and now one:6379, three:"):
        CursorFile(path, "redis://one").load(["three:6379", "one:6379"])
    path.write_text("nonsense")
    with pytest.raises(CursorFileError, match="cannot be read"):
        CursorFile(path, "redis://one").load(["one"])


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=200), st.floats(1, 100))
def test_percentiles_are_close_and_never_too_low(values: list[int], percent: float) -> None:
    """A percentile is at most 3.2% above the exact one, and never below it."""
    histogram = Histogram()
    histogram.add_all(values)
    wanted = len(values) * percent / 100
    exact = next(v for n, v in enumerate(sorted(values), start=1) if n >= wanted)
    assert exact <= histogram.percentile(percent) <= exact * (1 + 1 / 32)
    assert sum(histogram.by_octave().values()) == len(values)


_KEYS = st.lists(
    st.tuples(st.binary(max_size=8), st.integers(0, 10**6), st.integers(0, 10**6), st.booleans()),
    max_size=40,
    unique_by=lambda row: row[0],
)


@given(st.lists(_KEYS, max_size=5), st.integers(1, 5))
def test_a_report_adds_up(batches: list[Any], top: int) -> None:
    """Totals are sums, top lists are the largest, and the state brings back the same report."""
    seen: dict[bytes, Any] = {}
    report = Report(top=top)
    for rows in batches:
        rows = [row for row in rows if row[0] not in seen]
        seen |= {row[0]: row for row in rows}
        columns: Any = [list(column) for column in zip(*rows, strict=True)] or [[]] * 4
        keys, sizes, elements, persistent = columns
        report.add(KeysOfKind("hash", keys, sizes, elements, list(map(int, persistent))), "node")
    again = Report.of_state(json.loads(json.dumps(report.as_state())))
    for each in (report, again):
        assert each.totals.count == len(seen)
        assert each.totals.size == sum(row[1] for row in seen.values())
        assert each.totals.persistent == sum(row[3] for row in seen.values())
        assert sum(group.size for group in each.groups.values()) == each.totals.size
        if seen:
            largest = sorted((row[1] for row in seen.values()), reverse=True)[:top]
            assert [key.size for key in each.kinds["hash"].largest] == largest


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bigkeys", *map(str, arguments)])


def test_the_command_prints_tables(filled: Server) -> None:
    """By default the top lists, types, prefixes and servers are tables."""
    result = _run(filled.url, "--top", 3)
    assert result.exit_code == 0
    for expected in ("hash:2:77", "hash: most elements", "prefixes", "without TTL", "p99 "):
        assert expected in result.output


def test_the_command_writes_json(filled: Server, tmp_path: Path) -> None:
    """The JSON has totals, types with percentiles and top lists, groups and nodes."""
    path = tmp_path / "report.json"
    assert _run(filled.url, "-f", "json", "-o", path, "-q").exit_code == 0
    report = json.loads(path.read_text())
    assert report["totals"]["count"] == 2502
    assert report["types"]["hash"]["largest"][0]["key"] == "hash:2:77"
    assert report["types"]["hash"]["percentiles"]["p50"]["elements"] == 3
    assert {group["prefix"] for group in report["groups"]} >= {"hash", "list"}


def test_the_command_writes_csv(filled: Server, tmp_path: Path) -> None:
    """Each row of the CSV says what it is."""
    path = tmp_path / "report.csv"
    assert _run(filled.url, "-f", "csv", "-o", path, "-q").exit_code == 0
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert {row["what"] for row in rows} == {"largest", "longest", "type", "group", "node"}
    assert sum(int(row["count"]) for row in rows if row["what"] == "type") == 2502


@pytest.mark.parametrize("form", ["table", "json", "csv", "html"])
def test_keys_cannot_write_to_the_terminal(clean_standalone: Server, form: str) -> None:
    """Control characters and line ends in keys are escaped, in every form of the report."""
    with redis.Redis(port=clean_standalone.port) as client:
        client.set("a\x1b[31m\nb\x07:key", "x")
    output = _run(clean_standalone.url, "-f", form, "-q").stdout
    assert "\x1b" not in output
    assert "\x07" not in output
    assert "a\\x1b[31m\\nb\\x07" in output.replace("\\\\", "\\")


def test_the_page_needs_nothing_else(filled: Server, tmp_path: Path) -> None:
    """The HTML is well formed, refers to nothing outside of it, and escapes keys."""
    with redis.Redis(port=filled.port) as client:
        client.set("<script>alert(1)</script>:x", "x" * 90_000)
    path = tmp_path / "report.html"
    assert _run(filled.url, "-f", "html", "-o", path, "-q").exit_code == 0
    text = path.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "http" not in text.replace(filled.url, "")
    body = text.partition("</head>")[2].removesuffix("</html>\n")
    ElementTree.fromstring(body)
    assert "class='bar'" in text


def test_the_exit_status_is_for_monitoring(filled: Server) -> None:
    """1 if a key is over --fail-over, 0 if none is, 2 for nonsense."""
    assert _run(filled.url, "-q", "--fail-over", "10KiB").exit_code == 1
    assert _run(filled.url, "-q", "--fail-over", "10MiB").exit_code == 0
    assert _run(filled.url, "-q", "--fail-over", 60_000).exit_code == 0
    result = _run(filled.url, "-q", "--fail-over", "10 nonsense")
    assert result.exit_code == 2
    assert "not a size" in result.output


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The message has the address, never the password."""
    result = _run("redis://:secret@127.0.0.1:1/0", "-q")
    assert result.exit_code == 2
    assert "127.0.0.1:1" in result.output
    assert "secret" not in result.output


def test_a_file_that_cannot_be_written_is_told(clean_standalone: Server, tmp_path: Path) -> None:
    """Before the scan where its directory is not there, else after it; never with a traceback."""
    for option in ("--output", "--resume"):
        result = _run(clean_standalone.url, "-q", option, tmp_path / "missing" / "file")
        assert result.exit_code == 2
        assert "there is no directory" in result.output
    result = _run(clean_standalone.url, "-q", "-f", "html", "-o", tmp_path)
    assert result.exit_code == 2
    assert "Is a directory" in result.output


def test_an_empty_server_has_an_empty_report(clean_standalone: Server) -> None:
    """No keys are no problem."""
    for form in ("table", "json", "csv", "html"):
        assert _run(clean_standalone.url, "-f", form, "-q").exit_code == 0


def test_the_servers_own_histogram_is_the_first_look(filled: Server) -> None:
    """INFO keysizes is there from Redis 8.0 on; other servers give nothing."""
    (node,), _ = find_nodes(filled.url)
    sizes = key_sizes(node)
    if filled.name == "redis" and int(filled.version.partition(".")[0]) >= 8:
        assert sum(sizes["hashes"].values()) == 500
        assert "hashes: the largest have 256 or more" in _run(filled.url).output
    else:
        assert sizes == {}
