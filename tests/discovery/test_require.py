"""Modules that a plugin needs only with some setting."""

from __future__ import annotations

import json

import pytest
from tests.discovery.distributions import Installer

from redis_middleware.discovery import require
from redis_middleware.errors import MissingExtraError


def test_an_installed_module_is_returned() -> None:
    """It is imported, as by an import statement."""
    assert require("json", extra="x") is json


@pytest.mark.parametrize("module", ["nowhere_to_be_found", "nowhere_to_be_found.inner"])
def test_a_missing_module_is_told_with_the_install_command(module: str) -> None:
    """The command has the extra of this distribution, or of the one that is named."""
    with pytest.raises(MissingExtraError) as caught:
        require(module, extra="zstd")
    assert str(caught.value) == (
        f'the module {module!r} is not installed: pip install "redis-middleware[zstd]"'
    )
    with pytest.raises(MissingExtraError, match=r'pip install "shop-plugins\[zstd\]"$'):
        require(module, extra="zstd", distribution="shop-plugins")


def test_what_a_module_itself_misses_is_not_the_extra(install: Installer) -> None:
    """A module that is there but broken raises its own error."""
    install("half", {}, {"half_installed": "import nowhere_to_be_found"})
    with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
        require("half_installed", extra="zstd")
