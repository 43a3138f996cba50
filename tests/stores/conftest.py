"""Every store there is, for the tests that all of them have to pass."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from streamspan.budgets.ledger import Ledger
from streamspan.budgets.stores import open_ledger

import store_servers
from store_servers import Server

STORES = ["sqlite", "redis", "postgres"]


@pytest.fixture(scope="session")
def redis() -> Iterator[Server]:
    program = store_servers.redis_server()
    if program is None:
        pytest.skip("NO REDIS TESTED: redis-server is not installed (apt-get install redis-server)")
    with store_servers.redis(program) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    programs = store_servers.postgres_server()
    if programs is None:
        pytest.skip("NO POSTGRESQL TESTED: it is not installed (apt-get install postgresql)")
    with store_servers.postgres(programs) as server:
        yield server


@pytest.fixture(scope="session")
def urls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Where a store is; a server is started with the first test that needs it."""
    file = tmp_path_factory.mktemp("store") / "budgets.sqlite3"
    return lambda store: f"sqlite://{file}" if store == "sqlite" else request.getfixturevalue(store).url


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, urls: Callable[[str], str]) -> str:
    """Each store; all tests share it, and each has keys of its own."""
    return urls(request.param)


@pytest.fixture
def ledgers(url: str) -> Iterator[Callable[[], Ledger]]:
    """Opens ledgers at the store, as processes would, and closes them."""
    with ExitStack() as opened:

        def new() -> Ledger:
            ledger = open_ledger(url, timeout=10)
            opened.callback(ledger.close)
            return ledger

        yield new


@pytest.fixture
def ledger(ledgers: Callable[[], Ledger]) -> Ledger:
    return ledgers()
