"""URLs that are wrong in all kinds of ways, with a password in them that nobody may get to read."""

from __future__ import annotations

from urllib.parse import quote

from tests.chaos.registry import ON_SERVERS, scenario
from tests.chaos.world import World

WRONG = (
    "{driver}://{user}:{password}@{host}:port/{name}",
    "{driver}://{user}:{password}@{host}:{port}/{name}?nonsense=1",
    "{driver}://{user}:{password}@nowhere.invalid:{port}/{name}",
    "{driver}://{user}:{password}@{host}:1/{name}",
    "{driver}://{user}:{raw}@{host}:{port}/{name}",
    "{driver}://{user}:{password}@{host}:{port}/{name}%00",
    "{driver}://{user}x:{password}@{host}:{port}/{name}",
    "{driver}://{user}:{password}x@{host}:{port}/{name}",
    "nonsense://{user}:{password}@{host}:{port}/{name}",
    "postgresql+asyncpg://{user}:{password}@{host}:{port}/{name}",
    "mysql+mysqldb://{user}:{password}@{host}:{port}/{name}",
    "{driver}:{user}:{password}@{host}/{name}",
    "{driver}://{user}:{password}@{host}:{port}/{name}?password={password}x",
    "{driver}://{user}@{host}:{port}/{name}?password={password}",
    "{driver}://{user}:{password}@{host}:{port}/{name}_that_is_not_there",
)


def _wrong(world: World, form: str) -> str:
    host, port = world.address
    driver = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}[world.server.kind]
    known = {"driver": driver, "user": world.user, "host": host, "port": port, "name": world.dev}
    return form.format(**known, raw=world.password, password=quote(world.password, safe=""))


@scenario("passwords", *ON_SERVERS)
def in_a_url_that_is_wrong(world: World) -> None:
    for form in world.chance.sample(WRONG, 3):
        words = world.chance.choice((("status",), ("up", "--json"), ("verify",), ("identify", "--json")))
        world.run(*words, "--url", _wrong(world, form))


@scenario("passwords", *ON_SERVERS)
def in_a_config_yaml_that_is_wrong(world: World) -> None:
    config = world.folder / "config.yaml"
    for form in world.chance.sample(WRONG, 2):
        world.configure(_wrong(world, form), _wrong(world, form))
        if world.chance.random() < 0.3:
            config.write_text(config.read_text(encoding="utf-8").replace("models:", "modles:"), encoding="utf-8")
        words = world.chance.choice((("status",), ("onboard", "--wait", "2"), ("rebuild",), ("stages", "--json")))
        world.run(*words)


@scenario("passwords", *ON_SERVERS)
def in_what_is_generated(world: World) -> None:
    """No file that a command writes holds it."""
    world.onboarded()
    (world.folder / "migrations" / "versions" / "0004_titular.py").unlink()
    world.must("rebuild")
    for path in (world.folder / "migrations").rglob("*"):
        if path.is_file() and world.token.encode() in path.read_bytes():
            world.fault("secrets", f"{path.relative_to(world.folder)} holds the password")
