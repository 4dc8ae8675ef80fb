"""The command ``slots`` on real servers."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from tests.cli.conftest import Run

from redis_middleware.commands import SLOT_COUNT, key_slot
from redis_middleware.embedded import Cluster, Server

KEYS = 2000
HOT = 500


@pytest.fixture
def filled(clean_cluster: Cluster) -> Cluster:
    """The run's cluster with keys in many slots, and many in one."""
    with closing(redis.RedisCluster.from_url(clean_cluster.url)) as client:
        pipeline = client.pipeline()
        for number in range(KEYS):
            pipeline.set(f"key:{number}", number)
        for number in range(HOT):
            pipeline.set(f"{{hot}}:{number}", number)
        pipeline.execute()
    clean_cluster.wait_until_ok()
    return clean_cluster


@pytest.fixture
def with_statistics(filled: Cluster) -> Iterator[Cluster]:
    """The same, where the servers keep statistics by slot."""
    try:
        for node in filled.nodes:
            node.command("CONFIG SET", "cluster-slot-stats-enabled", "yes")
    except redis.ResponseError:
        pytest.skip("servers of this version keep no statistics by slot")
    yield filled
    for node in filled.nodes:
        node.command("CONFIG SET", "cluster-slot-stats-enabled", "no")


def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def test_nodes_ranges_keys_and_replicas_are_shown(
    filled: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every server has a line, each replica below its primary."""
    _wide(monkeypatch)
    outcome = run("slots", filled.url)
    assert outcome.code == 0
    assert "0-5460" in outcome.output
    assert "10922-16383" in outcome.output
    for node in filled.nodes:
        assert outcome.output.count(f"{node.host}:{node.port} ") >= 1
    assert outcome.output.count("replica ") == 3
    assert "key-count: " in outcome.output
    assert "times what the smallest primary has" in outcome.output


def test_addresses_are_whole_in_80_columns(
    filled: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers that tell no zone get no column for it."""
    monkeypatch.setenv("COLUMNS", "80")
    outcome = run("slots", filled.url, "--no-map")
    for node in filled.nodes:
        assert f"{node.host}:{node.port} " in outcome.output
    assert "zone" not in outcome.output


def test_the_heat_map_shows_the_hot_slot(filled: Cluster, run: Run) -> None:
    """64 characters a line of 512 slots, and the largest slots by name."""
    outcome = run("slots", filled.url)
    lines = [line.split() for line in outcome.output.splitlines()]
    by_start = {int(words[0]): words[1] for words in lines if words and words[0].isdigit()}
    assert sorted(by_start) == list(range(0, SLOT_COUNT, 512))
    assert {len(cells) for cells in by_start.values()} == {64}
    hot = key_slot(b"hot")
    assert by_start[hot // 512 * 512][hot % 512 // 8] == "X"
    assert f"largest slots: {hot} ({HOT})" in outcome.output
    assert "largest slots" not in run("slots", filled.url, "--no-map").output


def test_primaries_without_keys_are_said(clean_cluster: Cluster, run: Run) -> None:
    """Nothing is a multiple of nothing."""
    assert "smallest" not in run("slots", clean_cluster.url).output
    with closing(redis.RedisCluster.from_url(clean_cluster.url)) as client:
        client.set("k", "v")
    assert "has most, 1: the smallest primary has none" in run("slots", clean_cluster.url).output
    report = json.loads(run("slots", clean_cluster.url, "--json").output)
    assert report["imbalance"]["key-count"] is None


def test_json_has_all_of_it(filled: Cluster, run: Run) -> None:
    """Counts by slot add up to the keys of the primaries, whose imbalance follows from them."""
    report = json.loads(run("slots", filled.url, "--json").output)
    primaries = [node for node in report["nodes"] if node["primary"] is None]
    replicas = [node for node in report["nodes"] if node["primary"] is not None]
    assert [node["slots"] for node in primaries] == [5461, 5461, 5462]
    assert sum(node["keys"] for node in primaries) == KEYS + HOT
    assert {node["address"] for node in report["nodes"]} == {
        f"{node.host}:{node.port}" for node in filled.nodes
    }
    assert [node["behind"] for node in replicas] == [0, 0, 0]
    slots = report["slots"]["key-count"]
    assert sum(slots.values()) == KEYS + HOT
    assert slots[str(key_slot(b"hot"))] >= HOT
    keys = [node["keys"] for node in primaries]
    assert report["imbalance"]["key-count"] == pytest.approx(max(keys) / min(keys))
    assert report["uncovered"] == []


def test_load_is_shown_where_the_servers_keep_it(with_statistics: Cluster, run: Run) -> None:
    """Reads of one key make its slot the one with most bytes out."""
    with closing(redis.RedisCluster.from_url(with_statistics.url)) as client:
        for _ in range(200):
            client.get("key:7")
    outcome = run("slots", with_statistics.url, "--by", "bytes-out")
    assert outcome.code == 0
    assert f"largest slots: {key_slot(b'key:7')} (" in outcome.output
    assert "cpu-usec: " in outcome.output


def test_load_that_is_not_kept_is_said(filled: Cluster, run: Run) -> None:
    """The message says how to have it kept."""
    outcome = run("slots", filled.url, "--by", "cpu")
    assert outcome.code == 1
    assert "cluster-slot-stats-enabled" in outcome.output


def test_the_image_is_an_svg_with_every_primary(filled: Cluster, run: Run, tmp_path: Path) -> None:
    """Well-formed, with the title, the legend and colours for cool and hot slots."""
    path = tmp_path / "slots.svg"
    assert run("slots", filled.url, "--image", path, "--no-map").code == 0
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]
    for node in filled.primaries:
        assert f"{node.host}:{node.port}" in texts
    assert "times the average slot" in texts
    paths = list(root.iter("{http://www.w3.org/2000/svg}path"))
    assert len({path.get("fill") for path in paths}) == len(paths) >= 3
    assert path.stat().st_size < 400_000


def test_images_of_other_kinds_are_refused(run: Run, tmp_path: Path) -> None:
    """Before any server is asked."""
    outcome = run("slots", "redis://127.0.0.1:1", "--image", tmp_path / "slots.png")
    assert outcome.code == 2
    assert ".svg" in outcome.output


def test_an_image_that_cannot_be_written_is_said(
    clean_cluster: Cluster, run: Run, tmp_path: Path
) -> None:
    """With the path and the reason."""
    path = tmp_path / "missing" / "slots.svg"
    outcome = run("slots", clean_cluster.url, "--image", path, "--no-map")
    assert outcome.code == 1
    assert "No such file" in outcome.output


def test_the_slot_and_node_of_keys_are_shown(clean_cluster: Cluster, run: Run) -> None:
    """The same slot for one hash tag; the node is the one that has it."""
    keys = ["user:7", "{user:7}:cart", "{}x", "größe"]
    found = json.loads(run("slots", clean_cluster.url, *keys, "--json").output)
    assert [row["key"] for row in found] == keys
    assert [row["slot"] for row in found] == [key_slot(key.encode()) for key in keys]
    assert found[0]["node"] == found[1]["node"]
    with closing(redis.RedisCluster.from_url(clean_cluster.url)) as client:
        for row in found:
            owner = client.get_node_from_key(row["key"])
            assert owner is not None
            assert row["node"] == f"{owner.host}:{owner.port}"
            assert len(row["replicas"]) == 1
    shown = run("slots", clean_cluster.url, "user:7").output
    assert str(key_slot(b"user:7")) in shown


def test_a_server_without_a_cluster_is_said_so(clean_standalone: Server, run: Run) -> None:
    """It is no error of the tool's."""
    for words in ([], ["user:7"]):
        outcome = run("slots", clean_standalone.url, *words)
        assert outcome.code == 1
        assert "is no node of a cluster" in outcome.output


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://127.0.0.1:1", "Connection refused"),
        ("http://127.0.0.1", "scheme"),
        ("unix:///tmp/none.sock", "none.sock"),
    ],
)
def test_servers_that_cannot_be_asked_are_said(url: str, told: str, run: Run) -> None:
    """The URL and the reason, without a traceback."""
    outcome = run("slots", url)
    assert outcome.code == 1
    assert told in outcome.output
    assert url in outcome.output


def test_passwords_are_not_shown(run: Run) -> None:
    """Not even in an error."""
    outcome = run("slots", "redis://:secret@127.0.0.1:1")
    assert outcome.code == 1
    assert "secret" not in outcome.output


def test_without_slot_statistics_keys_are_counted_one_slot_at_a_time(
    filled: Cluster, run: Run
) -> None:
    """A user who may not ask for them, and servers before 8: the counts are the same."""
    try:
        for node in filled.nodes:
            node.command("ACL SETUSER", "old", "on", ">pw", "~*", "+@all", "-cluster|slot-stats")
    except redis.ResponseError:
        pytest.skip("servers of this version keep no statistics by slot")
    url = filled.url.replace("redis://", "redis://old:pw@")
    try:
        old = json.loads(run("slots", url, "--json").output)
    finally:
        for node in filled.nodes:
            node.command("ACL DELUSER", "old")
    new = json.loads(run("slots", filled.url, "--json").output)
    assert old["way"] == "CLUSTER COUNTKEYSINSLOT"
    assert new["way"] == "CLUSTER SLOT-STATS"
    assert old["slots"]["key-count"] == new["slots"]["key-count"]
