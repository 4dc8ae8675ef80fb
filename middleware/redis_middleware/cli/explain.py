"""``redis-middleware explain``: what a command is, its keys, and which plugins see it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from redis_middleware.chains import Hook
from redis_middleware.cli.options import FileOption, ProfileOption
from redis_middleware.cli.output import console
from redis_middleware.command import spec_for
from redis_middleware.commands import CommandSpec, KeyUse, all_specs, find_keys, key_slot
from redis_middleware.discovery import load_plugins
from redis_middleware.pipeline import Pipeline
from redis_middleware.settings import Settings, load_settings
from redis_middleware.settings.problems import nearest
from redis_middleware_plugins.slot_routing import SlotRouting
from redis_middleware_plugins.slot_routing.refusing import ONE_SLOT, not_split
from redis_middleware_plugins.slot_routing.splitting import splitting_of

__all__ = ["register"]

_ALIKE: Final = 0.75
"""Of names less alike than this one is hardly meant by the other: they are short."""


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    # What looks like an option after COMMAND is an argument of it, such as the -1 of LRANGE.
    settings = {"allow_interspersed_args": False, "ignore_unknown_options": True}
    app.command("explain", context_settings=settings)(_explain)


def _explain(
    command: Annotated[str, typer.Argument(help="The command's name.", metavar="COMMAND")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="Its arguments.", metavar="ARGS", show_default=False),
    ] = None,
    file: FileOption = None,
    profile: ProfileOption = None,
) -> None:
    """Tell of a command: what it is, its keys and slot, and which plugins would see it, in order.

    Nothing is sent. Options go before COMMAND: redis-middleware explain -f app.toml LRANGE k 0 -1
    """
    args = (command, *(arguments or ()))
    wire = (*command.split(), *(arguments or ()))
    spec = spec_for(args)
    out = console()
    _print_spec(out, spec, wire)
    slots = _print_keys(out, wire, find_keys(spec, wire), spec)
    settings = load_settings(file, profile=profile)
    pipeline = Pipeline(load_plugins(settings))
    chain = pipeline.chains.of(args)
    hooks = chain.hooks if chain else ()
    if slots > 1:
        fate = _fate_of_slots(pipeline, hooks, spec, slots)
        _print_row(out, "", f"the keys are in {slots} slots: {fate}", "yellow")
    _print_plugins(out, settings, pipeline, hooks, spec)


def _print_spec(out: Console, spec: CommandSpec, wire: Sequence[str]) -> None:
    out.print(Text.assemble((spec.name, "bold"), f"  {_kind(spec)}"))
    if not spec.known:
        known = [other.name for other in all_specs()]
        meant = nearest(spec.name, known, at_least=_ALIKE)
        suggested = f"; did you mean {meant!r}?" if meant else "."
        out.print(
            f"not in the table of commands{suggested} If it is a module's command, which of its "
            "arguments are keys is not known.",
            style="yellow",
            soft_wrap=True,
        )
        return
    _print_row(out, "flags", ", ".join(sorted(spec.flags)))
    _print_row(out, "categories", ", ".join(sorted(spec.categories)))
    fewest = abs(spec.arity) - len(spec.name.split())
    at_least = "at least " if spec.arity < 0 else ""
    _print_row(out, "arguments", f"{at_least}{fewest}")
    given = len(wire) - len(spec.name.split())
    if given < fewest or (spec.arity > 0 and given > fewest):
        _print_row(out, "", f"{given} are given: the server would refuse it", "yellow")


def _kind(spec: CommandSpec) -> str:
    if not spec.known:
        return "unknown"
    words = [
        word
        for word, holds in (
            (f"group {spec.group}", spec.group),
            ("reads", spec.is_read),
            ("writes", spec.is_write),
            ("may wait", spec.is_blocking),
            ("administers", spec.is_admin),
            ("publishes or subscribes", spec.is_pubsub),
        )
        if holds
    ]
    return ", ".join(words)


def _print_keys(
    out: Console, wire: Sequence[str], uses: Sequence[KeyUse], spec: CommandSpec
) -> int:
    """Print the keys; return in how many slots they are."""
    slots = set()
    for use in uses:
        # What the shell gave, byte for byte, whatever the encoding of the terminal.
        key = os.fsencode(wire[use.position])
        slot = key_slot(key)
        slots.add(slot)
        access = " and ".join(
            word for word, holds in (("read", use.reads), ("written", use.writes)) if holds
        )
        shown = key.decode("utf-8", "backslashreplace")
        text = f"{shown}  slot {slot}, {access or 'neither read nor written'}"
        _print_row(out, "key", f"{text} ({', '.join(sorted(use.flags))})")
    if not uses and spec.known:
        _print_row(out, "keys", "none")
    if not spec.keys_complete:
        _print_row(out, "", "it may use more keys than its arguments name", "yellow")
    return len(slots)


def _fate_of_slots(pipeline: Pipeline, hooks: Sequence[Hook], spec: CommandSpec, slots: int) -> str:
    """What becomes of a command on a cluster whose keys are in several slots."""
    seeing = {hook.plugin for hook in hooks}
    for loaded in pipeline.plugins:
        if isinstance(loaded.plugin, SlotRouting) and loaded.name in seeing:
            may_split = loaded.plugin.settings.split
            splitting = splitting_of(spec)
            if splitting is not None and splitting.is_allowed(may_split):
                return f"{loaded.name} sends it in {slots} parts, slot by slot, which is not atomic"
            why = ONE_SLOT if splitting is None else not_split(may_split)
            return f"{loaded.name} refuses that: {why}"
    return "a cluster refuses that"


def _print_plugins(
    out: Console,
    settings: Settings,
    pipeline: Pipeline,
    hooks: Sequence[Hook],
    spec: CommandSpec,
) -> None:
    around = pipeline.batch.hooks if pipeline.batch else ()
    out.print(f"\nsettings  {settings.origin}", soft_wrap=True)
    if hooks:
        _print_hooks(out, f"plugins that see {spec.name}, outermost first", hooks)
    else:
        out.print(f"no plugin sees {spec.name}")
    if around:
        _print_hooks(out, "around a pipeline or transaction with it", around)
    seen = {hook.plugin for hook in (*hooks, *around)}
    others = [plugin.name for plugin in pipeline.plugins if plugin.name not in seen]
    if others:
        out.print(f"plugins that do not: {', '.join(others)}")


def _print_hooks(out: Console, title: str, hooks: Sequence[Hook]) -> None:
    out.print(title)
    for number, hook in enumerate(hooks, start=1):
        out.print(Text.assemble(f"  {number}. ", (hook.plugin, "bold"), (f"  {hook.name}", "dim")))


def _print_row(out: Console, label: str, text: str, style: str = "") -> None:
    out.print(Text.assemble((f"  {label:<12}", "dim"), (text, style)), soft_wrap=True)
