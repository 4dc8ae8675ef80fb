"""FastAPI with an async client as a dependency: uvicorn fastapi_app:app."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import redis.asyncio
from fastapi import Depends, FastAPI, Request

from redis_middleware import middleware, middleware_of


@middleware
def make_client() -> redis.asyncio.Redis:
    """Connect; the settings are found in redis-middleware.toml."""
    return redis.asyncio.Redis.from_url(
        os.environ.get("REDIS_URL", "redis://localhost:6379"), decode_responses=True
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Have one client for as long as the application runs."""
    async with make_client() as client:
        app.state.redis = client
        yield


def get_client(request: Request) -> redis.asyncio.Redis:
    """Give the application's client to whoever depends on it."""
    client: redis.asyncio.Redis = request.app.state.redis
    return client


Client = Annotated[redis.asyncio.Redis, Depends(get_client)]
app = FastAPI(lifespan=lifespan)


@app.post("/visits/{page}")
async def visit(page: str, client: Client) -> int:
    """Count a visit."""
    return int(await client.incr(f"visits:{page}"))


@app.get("/config/{name}")
async def config(name: str, client: Client) -> str | None:
    """Read a setting: from memory, all but once in 30 seconds."""
    value: str | None = await client.get(f"config:{name}")
    return value


@app.get("/hits")
async def hits(client: Client) -> int:
    """Tell how many reads the local cache has answered."""
    return int(middleware_of(client).plugins["local_cache"].statistics().hits)
