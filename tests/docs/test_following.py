"""The reader that follows pages notices when a page is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.server

Follow = Callable[[Path], list[str]]

RIGHT = """\
```toml
plugins = ["slow_log"]
```

```python title="shop.py"
NAME = "shop"
```

```python
import shop

name = shop.NAME
```

```python
assert name == "shop"
```

```console
$ redis-middleware check
settings  /srv/shop/redis-middleware.toml
...
No problems found.
$ echo 17 keys of redis://localhost:6379; exit 3  # exit status 3
4,000 keys of redis://localhost:6379
```

<!-- skip: next "nobody has one" -->
```console
$ no-such-command
```
"""


def wrong(block: str, language: str = "console") -> str:
    """A page with one block."""
    return f"# A page\n\n```{language}\n{block}\n```\n"


WRONG = {
    "another exit status": (wrong("$ false"), "ended with 1"),
    "another output": (wrong("$ echo two words\nthree words"), "the page shows"),
    "more output than shown": (wrong("$ echo one; echo two\none"), "it prints"),
    "a block that nothing runs": (wrong("fn main() {}", "rust"), "nothing runs a block of 'rust'"),
    "a block without a language": (wrong("make"), "has commands"),
    "settings that are wrong": (
        wrong('plugins = ["slow_log"]\n[slow_log]\nkeep = 0', "toml"),
        "keep",
    ),
    "a plugin that is not there": (wrong('plugins = ["slowlog"]', "toml"), "slowlog"),
    "code that fails": (wrong("1 / 0", "python"), "division by zero"),
    "a skip without a reason": ("<!-- skip: next -->\n" + wrong("$ true"), "nothing says why"),
}


@pytest.fixture
def patience() -> float:
    """Return no time at all: what is wrong here stays wrong."""
    return 0.0


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a page."""

    def write(text: str) -> Path:
        page = tmp_path / "page.md"
        page.write_text(text, encoding="utf-8")
        return page

    return write


def test_a_page_that_is_right(follow: Follow, written: Callable[[str], Path]) -> None:
    """Files, settings, names and the shell go together; what is skipped is told with its reason."""
    assert follow(written(RIGHT)) == ["page.md:29: nobody has one"]


@pytest.mark.parametrize("name", list(WRONG))
def test_a_page_that_is_wrong(name: str, follow: Follow, written: Callable[[str], Path]) -> None:
    """The test of the page fails, and its message says what is wrong."""
    text, message = WRONG[name]
    with pytest.raises(Exception, match=message):
        follow(written(text))


@pytest.mark.parametrize("patience", [10.0])
def test_what_takes_its_time(follow: Follow, written: Callable[[str], Path]) -> None:
    """A command is run again until what a page has started is ready."""
    commands = "$ (sleep 0.3; echo ready > state) &\n$ cat state\nready"
    assert follow(written(wrong(commands))) == []


def test_a_failure_names_its_line(follow: Follow, written: Callable[[str], Path]) -> None:
    """Both the traceback and the note lead to the page."""
    page = written(wrong("value = 1\nraise LookupError(value)", "python"))
    with pytest.raises(LookupError) as caught:
        follow(page)
    assert [(entry.path, entry.lineno + 1) for entry in caught.traceback][-1] == (page, 5)
    assert caught.value.__notes__ == [f"in the block at {page}:3"]
