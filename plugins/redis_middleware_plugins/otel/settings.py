"""The table ``[otel]`` of the settings."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from redis_middleware.settings.types import Duration, KeyPattern

__all__ = ["OtelSettings", "SamplingSettings", "SdkSettings"]

CommandName = Annotated[str, Field(min_length=1)]
_HOOK = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class SamplingSettings(BaseModel):
    """Which commands get a span of their own; what the SDK's sampler decides comes on top."""

    model_config = ConfigDict(frozen=True)

    one_in: int = Field(
        default=1,
        ge=1,
        description="Trace one in so many commands, chosen at random. Above 1, spans are made when "
        "the command has ended, so that what happens within it is not a child of its span.",
    )
    errors: bool = Field(
        default=True, description="Trace every command that failed, whatever one_in says."
    )
    slower_than: Duration | None = Field(
        default=None,
        description="Trace every command that took so long or longer, whatever one_in says.",
    )


class SdkSettings(BaseModel):
    """The SDK to set up where the application has set up none."""

    model_config = ConfigDict(frozen=True)

    traces: Literal["none", "console", "otlp-http", "otlp-grpc", "memory"] = Field(
        default="none", description="Where spans go."
    )
    metrics: Literal["none", "console", "otlp-http", "otlp-grpc", "memory", "prometheus"] = Field(
        default="none",
        description="Where metrics go; prometheus serves them to be scraped, at prometheus_port.",
    )
    endpoint: str | None = Field(
        default=None,
        description="The OTLP receiver, such as http://collector:4318 or, for gRPC, "
        "http://collector:4317. Without it OTEL_EXPORTER_OTLP_ENDPOINT and the SDK's default hold.",
    )
    headers: dict[str, SecretStr] = Field(
        default={}, description="Headers for the OTLP receiver, such as an authorization."
    )
    timeout: Duration = Field(
        default=5.0, description="How long an export, and the last one at exit, may take."
    )
    interval: Duration = Field(default=60.0, description="How often metrics are exported.")
    sample_ratio: float = Field(
        default=1.0,
        ge=0.0,
        le=1.0,
        description="The share of traces that begin here and are sampled; else the parent decides.",
    )
    service_name: str | None = Field(
        default=None,
        description="The resource attribute service.name; else OTEL_SERVICE_NAME holds.",
    )
    resource: dict[str, str | int | float | bool] = Field(
        default={}, description="More resource attributes."
    )
    prometheus_host: str = Field(default="127.0.0.1", description="Where to serve Prometheus.")
    prometheus_port: int = Field(
        default=9464, ge=0, le=65535, description="The port to serve Prometheus on; 0 for any."
    )


class OtelSettings(BaseModel):
    """Spans and metrics of commands, by the stable semantic conventions for databases."""

    model_config = ConfigDict(frozen=True)

    traces: bool = Field(default=True, description="Make spans.")
    metrics: bool = Field(default=True, description="Record metrics.")
    query: Literal["masked", "keys", "hashed_keys", "off"] = Field(
        default="masked",
        description="What db.query.text shows: every argument as ?, or keys too (as they are or "
        "hashed), or nothing. Values are never shown.",
    )
    query_length: int = Field(
        default=1024, ge=16, description="Characters after which db.query.text is cut, with ...."
    )
    hash_secret: SecretStr | None = Field(
        default=None,
        description="The secret that hashes of keys depend on; without it each start of a program "
        "has its own.",
    )
    commands_in_batches: bool = Field(
        default=False,
        description="Make a span for each command of a pipeline or transaction too.",
    )
    failures_shown: int = Field(
        default=8,
        ge=0,
        description="How many failed commands of a pipeline its span shows, as events.",
    )
    error_messages: bool = Field(
        default=False,
        description="Record exceptions with message and stack trace. A server's message may hold "
        "arguments of the command.",
    )
    connecting: bool = Field(default=True, description="Make a span for each new connection.")
    pool_times: bool = Field(
        default=False,
        description="Record how long each connection was waited for and used, of all pools; a "
        "command takes about 10 µs longer. Without it waiting is recorded of pools that let their "
        "callers wait only (BlockingConnectionPool).",
    )
    messages: bool = Field(
        default=False, description="Make a span for each message a subscription receives."
    )
    only: list[CommandName] = Field(
        default=[],
        description="Watch these commands only, such as GET or CONFIG GET; CONFIG stands for all "
        "its subcommands.",
    )
    ignore: list[CommandName] = Field(default=[], description="Do not watch these commands.")
    ignore_keys: list[KeyPattern] = Field(
        default=[],
        description="Do not watch commands all of whose keys match one of these patterns.",
    )
    request_hook: str | None = Field(
        default=None,
        description="A function of the application's, module:function, called with the span and "
        "the command (or batch) before it is sent.",
    )
    reply_hook: str | None = Field(
        default=None,
        description="The same, called with span, command and the reply (or the exception) after.",
    )
    sampling: SamplingSettings = SamplingSettings()
    sdk: SdkSettings = SdkSettings()

    @field_validator("request_hook", "reply_hook")
    @classmethod
    def _names_a_function(cls, value: str | None) -> str | None:
        if value is not None and not _HOOK.fullmatch(value):
            raise ValueError('not the name of a function; allowed is "package.module:function"')
        return value
