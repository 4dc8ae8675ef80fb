"""RQ: python rq_jobs.py puts jobs into a queue, works them off and prints their results."""

import os

import redis
from rq import Queue, Worker

from redis_middleware import middleware


@middleware
def make_client() -> redis.Redis:
    """Connect; RQ's workers fork for each job, and plugins start anew in the child."""
    return redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379"))


def square(number: int) -> int:
    """Do the work of a job."""
    return number * number


def main() -> None:
    """Queue three jobs and work them off."""
    client = make_client()
    queue = Queue(connection=client)
    jobs = [queue.enqueue("rq_jobs.square", number) for number in (2, 3, 4)]
    Worker([queue], connection=client).work(burst=True)
    print([job.return_value() for job in jobs])


if __name__ == "__main__":
    main()
