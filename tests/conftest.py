"""What tests share: real servers, as fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import RELEASES, SERVERS, answering, running


@pytest.fixture(scope="session", autouse=True)
def _embedded_ends() -> Iterator[None]:
    with running:
        yield


@pytest.fixture(params=list(SERVERS))
def server(request: pytest.FixtureRequest) -> str:
    """The URL of each server in turn."""
    return answering(request.param)


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """The URL of each server in turn, and of the later PostgreSQL."""
    return answering(request.param)
