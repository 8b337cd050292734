"""config.yaml: what is right in it is read, and what is wrong is told with its place and a way out."""

from __future__ import annotations

import importlib.util
import json
import pickle
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from sqlalchemy.engine import make_url

from sqlstrata import errors, plan
from sqlstrata.errors import SqlstrataError, WrongUse
from sqlstrata.plan import Cast, Plan, Sql, form

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[..., Plan]

HEAD = """\
database:
  url: sqlite:///exemplo.db
models:
  package: project.models
  base: base:Base
"""

STAGE = """\
stages:
  - name: usuario
    message: Usuário
    enable: [usuario]
"""


def stage(*lines: str) -> str:
    """Write a file whose first stage has more lines, from line 10 on."""
    return HEAD + STAGE + "".join(f"    {line}\n" for line in lines)


def stages(flow: str) -> str:
    """Write a file with these stages in line 6."""
    return f"{HEAD}stages: {flow}\n"


SUPPORTED = "Supported are SQLite (sqlite://), PostgreSQL (postgresql://) and MariaDB (mysql://, mariadb://)."


def url(text: str) -> str:
    """Write a file with this URL in line 2."""
    return HEAD.replace("sqlite:///exemplo.db", text) + STAGE


def prove_on(text: str) -> str:
    """Write a file with these servers in line 10."""
    return f"{HEAD}{STAGE}prove_on: {text}\n"


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read a text as config.yaml of the working directory."""
    monkeypatch.chdir(tmp_path)

    def run(text: str | bytes, **environ: str) -> Plan:
        Path("config.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return plan.read(Path("config.yaml"), environ)

    return run


# -------------------------------------------------------------------------- what is wrong: (case, file, place, message)

# fmt: off
WRONG: list[tuple[str, str | bytes, str, str]] = [
    # the file as a whole
    ("empty", "", "1:1", "The file is empty. Write `database:`, `models:` and `stages:`, each with its keys."),
    ("only a comment", "# nothing yet\n", "1:1", "The file is empty. Write `database:`, `models:` and `stages:`, each with its keys."),
    ("a list at the top", "- database\n", "1:1", "The file must be a mapping, not a list. Write `database:`, `models:` and `stages:`, each with its keys."),
    ("text at the top", "database\n", "1:1", "The file must be a mapping, not text. Write `database:`, `models:` and `stages:`, each with its keys."),
    ("not YAML: indentation", "database:\n  url: sqlite://\n models: {}\n", "3:2", "This is not valid YAML: while parsing a block mapping, expected <block end>, but found '<block mapping start>'. Check the indentation and the quotes here and in the line before."),
    ("not YAML: a colon", url("sqlite:///:memory:"), "2:25", "This is not valid YAML: mapping values are not allowed here. Check the indentation and the quotes here and in the line before."),
    ("not YAML: a tab", "\tdatabase: {}\n", "1:1", "This is not valid YAML: while scanning for the next token, found character '\\t' that cannot start any token. Check the indentation and the quotes here and in the line before."),
    ("git conflicts", HEAD + """stages:
<<<<<<< HEAD
  - {name: anna, enable: [anna]}
=======
  - {name: ben, enable: [ben]}
>>>>>>> ben
prove_on:
<<<<<<< HEAD
  - sqlite://
||||||| 1234567
=======
>>>>>>> ben
""", "7:1", "The file has a git conflict in lines 7 to 11 and 13 to 17. Keep the stages of both sides, remove the lines with <<<<<<<, ======= and >>>>>>>, and run `inv rebuild`."),
    ("not YAML: never closed", stages("[{name: usuario"), "7:1", "This is not valid YAML: while parsing a flow mapping, expected ',' or '}', but got '<stream end>'. Check the indentation and the quotes here and in the line before."),
    ("not YAML: a variable without quotes", prove_on("[${SERVER}]"), "10:13", 'This is not valid YAML: while parsing a flow sequence, expected \',\' or \']\', but got \'{\'. Inside [ ] and { } a variable needs quotes: "${NAME}".'),
    ("two documents", "a: 1\n---\nb: 2\n", "2:1", "This is not valid YAML: expected a single document in the stream, but found another document. Check the indentation and the quotes here and in the line before."),
    ("an alias of nothing", "a: *b\n", "1:4", "This is not valid YAML: found undefined alias 'b'. Check the indentation and the quotes here and in the line before."),
    ("a control character", "a: \x07\n", "1:4", 'The file has a character that YAML does not allow: U+0007. Remove it, or write it as an escape in "quotes".'),
    ("not UTF-8", "# criação\n".encode("latin-1"), "1:7", "The file is not UTF-8: byte 0xe7. Save it as UTF-8."),
    ("not UTF-8 in line 2", b"\xef\xbb\xbfa: 1\nb: \xff\n", "2:4", "The file is not UTF-8: byte 0xff. Save it as UTF-8."),
    ("a value that contains itself", stage("rows: &a {t: [*a]}"), "10:11", "This value contains itself. Replace its alias (*) by what it stands for."),
    ("a tag", stage("rows: {t: [{a: !python 1}]}"), "10:20", "The tag !python is not supported here. Remove it."),
    ("a tag of a mapping", stage("rows: {t: [!!set {a}]}"), "10:16", "The tag !!set is not supported here. Remove it."),
    ("a date that is none", stage("rows: {t: [{a: 2024-13-45}]}"), "10:20", "YAML cannot read this as a timestamp. Correct it, or put it in quotes if it is text."),
    ("an octal number", stage("rows: {t: [{cep: 0123}]}"), "10:22", 'YAML reads `0123` as the number 83. Write "0123" if it is text, or 83 if it is that number.'),
    ("a number to base 60", stage("rows: {t: [{a: 12:30}]}"), "10:20", 'YAML reads `12:30` as the number 750. Write "12:30" if it is text, or 750 if it is that number.'),
    ("a merge of no mapping", stage("rows: {t: [{<<: 3}]}"), "10:17", "`<<` merges mappings, and this is not one. Write `<<: *name`, where `&name` is a mapping."),
    ("a merge of a list with no mapping", stage("rows: {t: [{<<: [{a: 1}, 3]}]}"), "10:17", "`<<` merges mappings, and this is not one. Write `<<: *name`, where `&name` is a mapping."),
    # keys
    ("an unknown key at the top", HEAD + STAGE + "stags: []\n", "10:1", "`stags` is not a key of the file. The nearest key is `stages`."),
    ("an unknown key like no other", HEAD + STAGE + "zzz: []\n", "10:1", "`zzz` is not a key of the file. The keys are database, models, stages, migrations, frozen, servers, prove_on, not_ours, version_table, legacy, extensions."),
    ("an unknown key of database", HEAD.replace("url:", "ulr:") + STAGE, "2:3", "`ulr` is not a key of `database`. The nearest key is `url`."),
    ("an unknown key of models", HEAD.replace("package:", "packages:") + STAGE, "4:3", "`packages` is not a key of `models`. The nearest key is `package`."),
    ("an unknown key of a stage", stage("enabel: []"), "10:5", "`enabel` is not a key of stage 1. The nearest key is `enable`."),
    ("a key in capitals", stage("DROP: [usuarios]"), "10:5", "`DROP` is not a key of stage 1. The nearest key is `drop`."),
    ("a key twice", stage("name: outro"), "10:5", "The key `name` is a duplicate; it is first in line 7. Remove one of the two."),
    ("a key that YAML reads as true", stage("on: []"), "10:5", 'A key must be text, but YAML reads `on` as true. Put it in quotes: "on".'),
    ("a key that YAML reads as a number", stage("rows: {t: [{1: a}]}"), "10:17", 'A key must be text, but YAML reads `1` as a number. Put it in quotes: "1".'),
    ("a key that YAML reads as a date", stage("rows: {t: [{2024-01-31: a}]}"), "10:17", 'A key must be text, but YAML reads `2024-01-31` as a date. Put it in quotes: "2024-01-31".'),
    ("a URL in the place of a key", "database: {postgresql://u:secret@host/d}\n" + HEAD[HEAD.index("models") :] + STAGE, "1:12", "`postgresql://u:***@host/d` is not a key of `database`. The keys are url, protected."),
    ("a key that is a list", stage("rows: {[a]: []}"), "10:12", "A key must be text, not a list or a mapping. Write `key: value`."),
    ("no database", HEAD[HEAD.index("models") :] + STAGE, "1:1", "The file has no `database`. Add it, as in `database: {url: sqlite:///exemplo.db}`."),
    ("no models", HEAD[: HEAD.index("models")] + STAGE, "1:1", "The file has no `models`. Add it, as in `models: {package: project.models, base: 'base:Base'}`."),
    ("no stages", HEAD, "1:1", "The file has no `stages`. Add it, as in `stages: [{name: usuario, enable: [usuario]}]`."),
    ("no url", HEAD.replace("url: sqlite:///exemplo.db", "protected: true") + STAGE, "1:1", "`database` has no `url`. Add it, as in `url: sqlite:///exemplo.db`."),
    ("no package", HEAD.replace("  package: project.models\n", "") + STAGE, "3:1", "`models` has no `package`. Add it, as in `package: project.models`."),
    ("no base", HEAD.replace("  base: base:Base\n", "") + STAGE, "3:1", "`models` has no `base`. Add it, as in `base: base:Base`."),
    ("a stage without a name", stages("[{enable: [usuario]}]"), "6:10", "Stage 1 has no `name`. Add it, as in `name: usuario`."),
    # wrong kinds of value
    ("database is text", "database: sqlite://\n" + HEAD[HEAD.index("models") :] + STAGE, "1:1", "`database` must be a mapping, not text. Write it as in `database: {url: sqlite:///exemplo.db}`."),
    ("database is empty", "database:\n" + HEAD[HEAD.index("models") :] + STAGE, "1:1", "`database` is empty and must be a mapping. Write it as in `database: {url: sqlite:///exemplo.db}`."),
    ("url is a number", url("12"), "2:3", '`url` must be a database URL, but YAML reads `12` as a number. Put it in quotes: "12".'),
    ("protected is text", HEAD.replace("models:", "  protected: maybe\nmodels:") + STAGE, "3:3", "`protected` must be true or false, not text. Write it as in `protected: false`."),
    ("models is a list", HEAD[: HEAD.index("models")] + "models: []\n" + STAGE, "3:1", "`models` must be a mapping, not a list. Write it as in `models: {package: project.models, base: 'base:Base'}`."),
    ("package is a boolean", HEAD.replace("project.models", "yes") + STAGE, "4:3", '`package` must be the name of a package, but YAML reads `yes` as true. Put it in quotes: "yes".'),
    ("base is empty", HEAD.replace("base:Base", "") + STAGE, "5:3", "`base` is empty and must be module:attribute, or a list of them. Write it as in `base: base:Base`."),
    ("migrations is a number", HEAD + STAGE + "migrations: 1\n", "10:1", '`migrations` must be the path of a folder, but YAML reads `1` as a number. Put it in quotes: "1".'),
    ("prove_on is text", prove_on("sqlite://"), "10:1", "`prove_on` must be a list of database URLs, not text. Write it as in `prove_on: [sqlite://]`."),
    ("a server is a number", prove_on("[sqlite://, 3]"), "10:23", 'Item 2 of `prove_on` must be a database URL, but YAML reads `3` as a number. Put it in quotes: "3".'),
    ("stages is empty", stages(""), "6:1", "`stages` is empty and must be a list of stages. Write it as in `stages: [{name: usuario, enable: [usuario]}]`."),
    ("stages is an empty list", stages("[]"), "6:1", "There is no stage in `stages`. Write one, as in `stages: [{name: usuario, enable: [usuario]}]`."),
    ("stages is a mapping", stages("{usuario: {enable: [usuario]}}"), "6:1", "`stages` must be a list of stages, not a mapping. Write it as in `stages: [{name: usuario, enable: [usuario]}]`."),
    ("a stage is text", stages("[usuario]"), "6:10", "Stage 1 must be a mapping, not text. Write it as in `- {name: usuario, enable: [usuario]}`."),
    ("a stage is empty", stages("[~]"), "6:10", "Stage 1 is empty and must be a mapping. Write it as in `- {name: usuario, enable: [usuario]}`."),
    ("a stage name that YAML reads as true", stages("[{name: on, enable: [usuario]}]"), "6:11", '`name` must be the stage\'s name, but YAML reads `on` as true. Put it in quotes: "on".'),
    ("a stage name that YAML reads as a date", stages("[{name: 2024-01-31, enable: [usuario]}]"), "6:11", '`name` must be the stage\'s name, but YAML reads `2024-01-31` as a date. Put it in quotes: "2024-01-31".'),
    ("a stage name that YAML reads as a number", stages("[{name: 1, enable: [usuario]}]"), "6:11", '`name` must be the stage\'s name, but YAML reads `1` as a number. Put it in quotes: "1".'),
    ("a message that YAML reads as a number", stages("[{name: usuario, message: 2024, enable: [usuario]}]"), "6:26", '`message` must be text, but YAML reads `2024` as a number. Put it in quotes: "2024".'),
    ("an empty message", stages("[{name: usuario, message: ' ', enable: [usuario]}]"), "6:26", "`message` is empty and must be text. Write it as in `message: Criação do modelo`."),
    ("enable is text", stages("[{name: usuario, enable: usuario}]"), "6:26", "`enable` must be a list of modules, not text. Write it as in `enable: [usuario]`."),
    ("enable is nothing", stages("[{name: usuario, enable: }]"), "6:26", "`enable` is empty and must be a list of modules. Write it as in `enable: [usuario]`."),
    ("a module that YAML reads as false", stages("[{name: usuario, enable: [usuario, no]}]"), "6:44", 'Item 2 of `enable` must be the name of a module, but YAML reads `no` as false. Put it in quotes: "no".'),
    ("disable is text", stage("disable: usuario"), "10:5", "`disable` must be a list of modules, not text. Write it as in `disable: [usuario]`."),
    ("a module to turn off that YAML reads as a date", stage("disable: [2024-01-31]"), "10:15", 'Item 1 of `disable` must be the name of a module, but YAML reads `2024-01-31` as a date. Put it in quotes: "2024-01-31".'),
    ("rename is a list", stage("rename: [usuarios]"), "10:5", "`rename` must be a mapping of old names to new ones, not a list. Write it as in `rename: {usuarios.nome: nome_completo}`."),
    ("a new name that YAML reads as false", stage("rename: {usuarios.ativo: off}"), "10:14", '`usuarios.ativo` must be a new name, but YAML reads `off` as false. Put it in quotes: "off".'),
    ("drop is text", stage("drop: usuarios"), "10:5", "`drop` must be a list of tables and columns, not text. Write it as in `drop: [usuarios.idade]`."),
    ("drop names null", stage("drop: [~]"), "10:12", "Item 1 of `drop` is empty and must be the name of a table or column. Write it as in `drop: [usuarios.idade]`."),
    ("drop names what YAML reads as a number", stage("drop: [usuarios, 1.5]"), "10:22", 'Item 2 of `drop` must be the name of a table or column, but YAML reads `1.5` as a number. Put it in quotes: "1.5".'),
    ("fill is a list", stage("fill: [usuarios.email]"), "10:5", '`fill` must be a mapping of columns to SQL, not a list. Write it as in `fill: {usuarios.email: "\'\'"}`.'),
    ("fill is a number", stage("fill: {usuarios.idade: 0}"), "10:12", '`usuarios.idade` must be SQL text or SQL for each server, but YAML reads `0` as a number. Put it in quotes: "0".'),
    ("fill is a list of SQL", stage("fill: {usuarios.idade: [x]}"), "10:12", '`usuarios.idade` must be SQL text or SQL for each server, not a list. Write it as in `fill: {usuarios.email: "\'\'"}`.'),
    ("fill for a server is a boolean", stage("fill: {usuarios.ativo: {sqlite: true}}"), "10:29", '`sqlite` must be SQL text, but YAML reads `true` as true. Put it in quotes: "true".'),
    ("cast is text", stage("cast: CAST"), "10:5", "`cast` must be a mapping of columns to SQL, not text. Write it as in `cast: {usuarios.idade: CAST(idade AS INTEGER)}`."),
    ("a cast is a number", stage("cast: {usuarios.idade: 1}"), "10:12", '`usuarios.idade` must be SQL text or SQL for each server, or these under up and down, but YAML reads `1` as a number. Put it in quotes: "1".'),
    ("a cast up is a list", stage("cast: {usuarios.idade: {up: [x]}}"), "10:29", "`up` must be SQL text or SQL for each server, not a list. Write it as in `cast: {usuarios.idade: CAST(idade AS INTEGER)}`."),
    ("a cast for a server is a number", stage("cast: {usuarios.idade: {down: {mysql: 1}}}"), "10:36", '`mysql` must be SQL text, but YAML reads `1` as a number. Put it in quotes: "1".'),
    ("data is a number", stage("data: 1"), "10:5", "`data` must be a mapping of upgrade and downgrade to SQL, not a number. Write it as in `data: {upgrade: UPDATE usuarios SET idade = 0}`."),
    ("data is nothing", stage("data:"), "10:5", "`data` is empty and must be a mapping of upgrade and downgrade to SQL. Write it as in `data: {upgrade: UPDATE usuarios SET idade = 0}`."),
    ("data has a number in a list", stage("data: [SELECT 1, 2]"), "10:22", 'Item 2 of `data` must be SQL text, but YAML reads `2` as a number. Put it in quotes: "2".'),
    ("data upgrades with a boolean", stage("data: {upgrade: true}"), "10:12", '`upgrade` must be SQL text, a list of it, or either for each server, but YAML reads `true` as true. Put it in quotes: "true".'),
    ("data has a number in a list of a way", stage("data: {upgrade: [SELECT 1, 2]}"), "10:32", 'Item 2 of `upgrade` must be SQL text, but YAML reads `2` as a number. Put it in quotes: "2".'),
    ("data for a server is a number", stage("data: {downgrade: {default: 2}}"), "10:24", '`default` must be SQL text or a list of it, but YAML reads `2` as a number. Put it in quotes: "2".'),
    ("data has a number in a list for a server", stage("data: {upgrade: {sqlite: [SELECT 1, 2]}}"), "10:41", 'Item 2 of `sqlite` must be SQL text, but YAML reads `2` as a number. Put it in quotes: "2".'),
    ("downgrade is text", stage("downgrade: never"), "10:5", "`downgrade` must be true or false, not text. Write it as in `downgrade: false`."),
    ("rows is a list", stage("rows: [usuarios]"), "10:5", "`rows` must be a mapping of tables to their rows, not a list. Write it as in `rows: {usuarios: [{nome: Alice}]}`."),
    ("the rows of a table are a mapping", stage("rows: {usuarios: {nome: Alice}}"), "10:12", "`usuarios` must be a list of rows, not a mapping. Write it as in `rows: {usuarios: [{nome: Alice}]}`."),
    ("a row is text", stage("rows: {usuarios: [Alice]}"), "10:23", "Item 1 of `usuarios` must be a mapping of columns to values, not text. Write it as in `rows: {usuarios: [{nome: Alice}]}`."),
    ("a row's column that YAML reads as true", stage("rows: {usuarios: [{on: 1}]}"), "10:24", 'A key must be text, but YAML reads `on` as true. Put it in quotes: "on".'),
    # stages and modules
    ("a stage name with capitals and accents", stages("[{name: Usuário 2, enable: [usuario]}]"), "6:11", "`Usuário 2` is not a stage name: use a to z, 0 to 9 and _, beginning with a letter. Write it as in `name: usuario_2`."),
    ("a stage name of digits", stages("[{name: '1', enable: [usuario]}]"), "6:11", "`1` is not a stage name: use a to z, 0 to 9 and _, beginning with a letter. Write it as in `name: usuario`."),
    ("a stage name that means nothing", stages("[{name: base, enable: [usuario]}]"), "6:11", "A stage cannot be named `base`, which is the state before the first stage. Give it another name."),
    ("a stage name that no file can have", stages(f"[{{name: {'a' * 247}, enable: [usuario]}}]"), "6:11", "This stage's name has 247 letters, too many for a file name. Use at most 246."),
    ("a stage name twice", stage() + "  - {name: usuario, enable: [produto]}\n", "10:6", "There are two stages `usuario`; the first is in line 7. Give one of them another name."),
    ("a module twice in one stage", stages("[{name: usuario, enable: [usuario, usuario]}]"), "6:44", "The module `usuario` is turned on twice in this stage. Remove one of the two."),
    ("a module on already", stage() + "  - {name: produto, enable: [usuario]}\n", "10:30", "The module `usuario` is already on, since stage `usuario`. Remove it, or turn it off first with `disable`."),
    ("a module off already", stage("disable: [usuaria]"), "10:15", "The module `usuaria` is not on, so stage `usuario` cannot turn it off. There is no module that is on."),
    ("another module is on", stage() + "  - {name: produto, disable: [usuaria], enable: [produto]}\n", "10:31", "The module `usuaria` is not on, so stage `produto` cannot turn it off. The nearest module that is on is `usuario`."),
    ("a module off twice", stage() + "  - {name: produto, disable: [usuario, usuario], enable: [produto]}\n", "10:40", "The module `usuario` is not on, so stage `produto` cannot turn it off. There is no module that is on."),
    ("a module by its file", stages("[{name: usuario, enable: [vendas/pedido.py]}]"), "6:35", "`vendas/pedido.py` is not the name of a module. Write it as in an import, inside the package: `vendas.pedido`."),
    ("a module of no name", stages("[{name: usuario, enable: ['']}]"), "6:35", "Item 1 of `enable` is empty and must be the name of a module. Write it as in `enable: [usuario]`."),
    ("a relative module", stages("[{name: usuario, enable: [.usuario]}]"), "6:35", "`.usuario` is not the name of a module. Write it as in an import, inside the package: `usuario`."),
    ("a stage that does nothing", stages("[{name: usuario, rows: {}}]"), "6:10", "The stage `usuario` turns no module on or off and has no `data`. Add `enable`, `disable` or `data`, or `live: true`, or remove the stage."),
    ("a message with a NUL", stages('[{name: usuario, message: "a\\0b", enable: [usuario]}]'), "6:35", "The text has the character U+0000, which no file or database can store. Remove its escape; above U+FFFF write it as \\U with eight digits."),
    ("a stage with empty lists", stages("[{name: usuario, enable: [], disable: []}]"), "6:10", "The stage `usuario` turns no module on or off and has no `data`. Add `enable`, `disable` or `data`, or `live: true`, or remove the stage."),
    # what a stage allows and adds
    ("drop of four parts", stage("drop: [a.b.c.d]"), "10:12", "`a.b.c.d` is not the name of a table or column. Write table, table.column or schema.table.column."),
    ("drop of an empty part", stage("drop: [usuarios.]"), "10:12", "`usuarios.` is not the name of a table or column. Write table, table.column or schema.table.column."),
    ("drop twice", stage("drop: [usuarios, usuarios]"), "10:22", "`usuarios` is in `drop` twice. Remove one of the two."),
    ("rename of four parts", stage("rename: {a.b.c.d: e}"), "10:14", "`a.b.c.d` is not the name of a table or column. Write table, table.column or schema.table.column."),
    ("rename to three parts", stage("rename: {usuarios.nome: s.usuarios.nome}"), "10:14", "`s.usuarios.nome` is not the name of a table or column. Write the new name alone, or schema.table for a table."),
    ("rename of a column to two parts", stage("rename: {s.usuarios.nome: usuarios.nome}"), "10:14", "`usuarios.nome` is not the name of a column without its table. Write the new name alone."),
    ("rename to itself", stage("rename: {usuarios: usuarios}"), "10:14", "`usuarios` is renamed to itself. Remove it, or write its new name."),
    ("rename of a column to itself", stage("rename: {s.usuarios.nome: nome}"), "10:14", "`s.usuarios.nome` is renamed to itself. Remove it, or write its new name."),
    ("rename to nothing", stage("rename: {usuarios: ''}"), "10:14", "`usuarios` is empty and must be a new name. Write it as in `rename: {usuarios.nome: nome_completo}`."),
    ("fill of a table", stage("fill: {usuarios: '0'}"), "10:12", "`usuarios` is not the name of a column. Write table.column or schema.table.column."),
    ("fill with no SQL", stage("fill: {usuarios.email: ''}"), "10:12", '`usuarios.email` is empty and must be SQL text or SQL for each server. Write it as in `fill: {usuarios.email: "\'\'"}`.'),
    ("fill for no server", stage("fill: {usuarios.email: {}}"), "10:12", "`usuarios.email` is empty. Write the SQL, or remove the key."),
    ("fill for an unknown server", stage("fill: {usuarios.email: {postgres: x}}"), "10:29", "`postgres` is not a key of `usuarios.email`. The nearest key is `postgresql`."),
    ("fill for MariaDB by name", stage("fill: {usuarios.email: {mariadb: x}}"), "10:29", "`mariadb` is not a key here. Write `mysql`: MariaDB reads it too."),
    ("fill with no SQL for a server", stage("fill: {usuarios.email: {sqlite: ' '}}"), "10:29", '`sqlite` is empty and must be SQL text. Write it as in `fill: {usuarios.email: "\'\'"}`.'),
    ("cast of a table", stage("cast: {usuarios: x}"), "10:12", "`usuarios` is not the name of a column. Write table.column or schema.table.column."),
    ("cast with an unknown key", stage("cast: {usuarios.idade: {upp: x}}"), "10:29", "`upp` is not a key of `usuarios.idade`. The nearest key is `up`."),
    ("cast with up and a server", stage("cast: {usuarios.idade: {up: x, sqlite: y}}"), "10:36", "`sqlite` is not a key of `usuarios.idade`. The keys are up, down."),
    ("cast for an unknown server", stage("cast: {usuarios.idade: {up: {sqlit: x}}}"), "10:34", "`sqlit` is not a key of `up`. The nearest key is `sqlite`."),
    ("cast with nothing", stage("cast: {usuarios.idade: {}}"), "10:12", "`usuarios.idade` is empty. Write the SQL, or remove the key."),
    ("cast with no SQL", stage("cast: {usuarios.idade: {down: ''}}"), "10:29", "`down` is empty and must be SQL text or SQL for each server. Write it as in `cast: {usuarios.idade: CAST(idade AS INTEGER)}`."),
    ("data with nothing", stage("data: {}"), "10:5", "`data` is empty. Write the SQL, or remove the key."),
    ("data with an unknown key", stage("data: {upgrad: x}"), "10:12", "`upgrad` is not a key of `data`. The nearest key is `upgrade`."),
    ("data with a way and a server", stage("data: {upgrade: x, mysql: y}"), "10:24", "`mysql` is not a key of `data`. The keys are upgrade, downgrade."),
    ("data for an unknown server", stage("data: {upgrade: {oracle: x}}"), "10:22", "`oracle` is not a key of `upgrade`. The keys are sqlite, postgresql, mysql, default."),
    ("data with an empty list", stage("data: {upgrade: []}"), "10:12", "`upgrade` is empty. Write the SQL, or remove the key."),
    ("data with no SQL in a list", stage("data: {upgrade: [SELECT 1, '']}"), "10:32", "Item 2 of `upgrade` is empty and must be SQL text. Write it as in `data: {upgrade: UPDATE usuarios SET idade = 0}`."),
    ("data that ends the transaction", stage("data: {upgrade: [SELECT 1, commit]}"), "10:32", "Item 2 of `upgrade` has COMMIT, but a stage cannot begin or end the transaction. Remove it: a stage is applied as a whole or not at all."),
    ("data that would never run", stage("downgrade: false", "data: {downgrade: SELECT 1}"), "11:12", "The stage `usuario` has `downgrade: false`, so its SQL for the downgrade would never run. Remove it, or remove `downgrade: false`."),
    ("rows of a column", stage("rows: {s.usuarios.nome: []}"), "10:12", "`s.usuarios.nome` is not the name of a table. Write table or schema.table."),
    # the rest of the file
    ("a package that is a path", HEAD.replace("project.models", "project/models") + STAGE, "4:3", "`project/models` is not the name of a package. Write it as in an import: `package: project.models`."),
    ("a base without a module", HEAD.replace("base:Base", "Base") + STAGE, "5:3", "`Base` is not module:attribute. Write the module inside the package, as in `base: base:Base`."),
    ("migrations is the folder itself", HEAD + STAGE + "migrations: .\n", "10:1", "`migrations` must be a separate folder, because `rebuild` writes it. Write it as in `migrations: migrations`."),
    ("migrations is above the folder", HEAD + STAGE + "migrations: x/../..\n", "10:1", "`migrations` must be a separate folder, because `rebuild` writes it. Write it as in `migrations: migrations`."),
    ("no server to prove on", prove_on("[]"), "10:1", "`prove_on` is empty, so nothing would be proved. Name a server, as in `prove_on: [sqlite://]`, or remove the key."),
    ("a character that no file can hold", HEAD + STAGE + 'migrations: "a\\0b"\n', "10:13", "The text has the character U+0000, which no file or database can store. Remove its escape; above U+FFFF write it as \\U with eight digits."),
    ("half a character", HEAD + STAGE + 'migrations: "\\ud83d\\ude00"\n', "10:13", "The text has the character U+D83D, which no file or database can store. Remove its escape; above U+FFFF write it as \\U with eight digits."),
    # variables and URLs
    ("a variable that is not set", url("sqlite:///${NAME}.db"), "2:3", "The environment variable NAME is not set. Set it, or give a default: ${NAME:-default}."),
    ("a variable that is not set, in prove_on", prove_on("[sqlite://, '${SERVER}']"), "10:23", "The environment variable SERVER is not set. Set it, or give a default: ${SERVER:-default}."),
    ("a variable inside a default", url("${NAME:-${OTHER}}"), "2:3", "`url` has a `${…}` that is not the name of a variable. Write ${NAME} or ${NAME:-default}; in a URL, a literal dollar sign is %24."),
    ("a variable with a wrong name", url("${1}"), "2:3", "`url` has a `${…}` that is not the name of a variable. Write ${NAME} or ${NAME:-default}; in a URL, a literal dollar sign is %24."),
    ("a variable that is neither true nor false", HEAD.replace("models:", "  protected: ${WORD}\nmodels:") + STAGE, "3:3", "`protected` must be true or false, not text. Write it as in `protected: false`."),
    ("a URL that is none", url("exemplo.db"), "2:3", "`url` is not a database URL. Write it as in sqlite:///exemplo.db or postgresql+psycopg://user@host/name."),
    ("an empty URL", url("${EMPTY}"), "2:3", "`url` is not a database URL. Write it as in sqlite:///exemplo.db or postgresql+psycopg://user@host/name."),
    ("a port that is none", url("postgresql://u:secret@host:port/d"), "2:3", "`url` is not a database URL. Write it as in sqlite:///exemplo.db or postgresql+psycopg://user@host/name."),
    ("a name with NUL", url("postgresql://u:secret@host/%00"), "2:3", "`url` is not a database URL. Write it as in sqlite:///exemplo.db or postgresql+psycopg://user@host/name."),
    ("an unknown database", url("oracle://u:secret@host/d"), "2:3", f"`url` uses `oracle`, which is not supported. {SUPPORTED}"),
    ("an unknown database with a driver", prove_on("[sqlite://, 'mssql+pyodbc://u:secret@host/d']"), "10:23", f"Item 2 of `prove_on` uses `mssql`, which is not supported. {SUPPORTED}"),
    ("an unknown driver", url("postgresql+pygresql://u:secret@host/d"), "2:3", "`url` uses the driver `pygresql`, which is not supported. Write postgresql+psycopg://."),
    ("an unknown driver of SQLite", url("sqlite+pysqlcipher:///x.db"), "2:3", "`url` uses the driver `pysqlcipher`, which is not supported. Write sqlite://."),
    ("a second @", url("postgresql://u:se@cret@host/d"), "2:3", "`url` has a second `@` before its host. In a user name or password write %40 for `@`."),
    ("no database in the URL", url("mysql://u:secret@host"), "2:3", "`url` has no database name. Add it, as in mysql+pymysql://user@host/exemplo."),
    ("no database in a URL with options", url("mysql://u:secret@host/?charset=utf8mb4"), "2:3", "`url` has no database name. Add it, as in mysql+pymysql://user@host/exemplo."),
    ("two slashes", url("sqlite://exemplo.db"), "2:3", "`url` has two slashes, but SQLite needs three. Write it as in sqlite:///exemplo.db, or sqlite:////folder/exemplo.db."),
    ("a file: URI", url("sqlite:///file:exemplo.db?uri=true"), "2:3", "`url` is a file: URI, which only SQLite can interpret. Write the path, as in sqlite:///exemplo.db."),
    ("a server's URL that is none", prove_on("[sqlite://, sqlite]"), "10:23", "Item 2 of `prove_on` is not a database URL. Write it as in sqlite:///exemplo.db or postgresql+psycopg://user@host/name."),
]
# fmt: on


@pytest.mark.parametrize(("text", "place", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_reported_with_its_place_and_a_way_out(
    read: Read, text: str | bytes, place: str, message: str
) -> None:
    with pytest.raises(WrongUse) as caught:
        read(text, EMPTY="", WORD="maybe")
    assert str(caught.value) == f"config.yaml:{place}: {message}"
    assert "secret" not in str(caught.value)


def test_a_file_that_nests_without_end_is_reported(read: Read) -> None:
    with pytest.raises(WrongUse, match="too deeply to be read"):
        read("[" * 5000 + "]" * 5000)


def test_every_key_of_a_form_says_what_it_must_be() -> None:
    forms: dict[tuple[str | int, ...], Any] = {
        (): form.ConfigForm,
        ("database",): form.DatabaseForm,
        ("models",): form.ModelsForm,
        ("stages", 0): form.StageForm,
    }
    for around, one in forms.items():
        for name in one.__struct_fields__:
            found = form.wanted((*around, name))
            assert found.what
            assert found.example.startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("driver", "text", "message"),
    [
        (
            "psycopg",
            "postgresql://u:secret@host/d",
            '`url` uses PostgreSQL, but its driver psycopg is not installed. Run `pip install "sqlstrata[postgresql]"`.',
        ),
        (
            "pymysql",
            "mysql://u:secret@host/d",
            '`url` uses MariaDB, but its driver pymysql is not installed. Run `pip install "sqlstrata[mariadb]"`.',
        ),
        (
            "pymysql",
            "mariadb+pymysql://u:secret@host/d",
            '`url` uses MariaDB, but its driver pymysql is not installed. Run `pip install "sqlstrata[mariadb]"`.',
        ),
    ],
)
def test_a_driver_that_is_not_installed_is_reported_with_its_extra(
    read: Read, monkeypatch: pytest.MonkeyPatch, driver: str, text: str, message: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == driver else "found")
    with pytest.raises(WrongUse) as caught:
        read(url(text))
    assert str(caught.value) == f"config.yaml:2:3: {message}"


def test_a_file_that_is_not_there_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongUse) as caught:
        plan.read(Path("config.yaml"))
    assert (
        str(caught.value)
        == "config.yaml: There is no such configuration file. `sqlstrata init` writes one; `--config` names another."
    )


def test_the_files_beside_one_that_is_not_there_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yml").write_text(HEAD + STAGE, encoding="utf-8")
    with pytest.raises(WrongUse) as caught:
        plan.read(Path("config.yaml"))
    assert (
        str(caught.value)
        == "config.yaml: There is no such configuration file. The folder has config.yml; `--config` names another."
    )


def test_a_folder_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("elsewhere").mkdir()
    with pytest.raises(WrongUse) as caught:
        plan.read(Path("elsewhere"))
    assert (
        str(caught.value)
        == "elsewhere: The configuration file is a folder. Name the file in it, as in `--config x/config.yaml`."
    )


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(HEAD, encoding="utf-8")
    with pytest.raises(WrongUse) as caught:
        plan.read(Path("config.yaml/config.yaml"))
    assert (
        str(caught.value)
        == "config.yaml/config.yaml: The configuration file cannot be read: Not a directory. Look at its rights, or name another with `--config`."
    )


# -------------------------------------------------------------------------- what is right

FULL = """\
database:
  url: sqlite:///dados/exemplo.db
  protected: true
models:
  package: vendas.models
  base: comum.base:Base
migrations: db/migrations
prove_on: [sqlite://, postgresql://u@host]
stages:
  - name: usuario
    message: " Criação "
    enable: [usuario, vendas.pedido]
    rows:
      usuarios:
        - {nome: Alice, nascida: 1990-01-31, vista: 2024-01-31 10:00:00Z, ativa: true, nota: 1.5, foto: !!binary aGk=}
        - {nome: ~, dados: {cores: [azul, {a: 1}]}}
  - name: muda
    message: Muda
    disable: [usuario]
    enable: [usuario, produto]
    rename:
      usuarios.nome: nome_completo
      produtos: loja.mercadorias
    drop: [usuarios.idade, loja.usuarios.idade]
    fill:
      usuarios.email: "''"
      usuarios.idade: {sqlite: "0", default: "1"}
    cast:
      usuarios.a: CAST(a AS INTEGER)
      usuarios.b: {up: up, down: {mysql: down}}
      usuarios.c: {postgresql: up}
    data:
      upgrade: [SELECT 1, SELECT 2]
      downgrade: {sqlite: SELECT 3, mysql: [SELECT 4, SELECT 5]}
  - name: fim
    data: SELECT 6
    downgrade: false
"""


def test_every_key_is_read(read: Read, tmp_path: Path) -> None:
    made = read(FULL)
    assert made.path == tmp_path / "config.yaml"
    assert made.folder == tmp_path
    assert made.database == plan.Database(f"sqlite:///{tmp_path}/dados/exemplo.db", protected=True)
    assert made.models == plan.Models("vendas.models", (plan.Base("comum.base", "Base"),))
    assert made.migrations == tmp_path / "db" / "migrations"
    assert made.prove_on == ("sqlite://", "postgresql+psycopg://u@host")
    usuario, muda, fim = made.stages
    assert usuario == plan.Stage(
        name="usuario",
        message="Criação",
        enable=("usuario", "vendas.pedido"),
        rows={
            "usuarios": (
                {
                    "nome": "Alice",
                    "nascida": date(1990, 1, 31),
                    "vista": datetime(2024, 1, 31, 10, tzinfo=UTC),
                    "ativa": True,
                    "nota": 1.5,
                    "foto": b"hi",
                },
                {"nome": None, "dados": {"cores": ("azul", {"a": 1})}},
            )
        },
        modules=("usuario", "vendas.pedido"),
    )
    assert muda == plan.Stage(
        name="muda",
        message="Muda",
        disable=("usuario",),
        enable=("usuario", "produto"),
        rename={"usuarios.nome": "nome_completo", "produtos": "loja.mercadorias"},
        drop=("usuarios.idade", "loja.usuarios.idade"),
        fill={"usuarios.email": Sql(default=("''",)), "usuarios.idade": Sql(sqlite=("0",), default=("1",))},
        cast={
            "usuarios.a": Cast(up=Sql(default=("CAST(a AS INTEGER)",))),
            "usuarios.b": Cast(up=Sql(default=("up",)), down=Sql(mysql=("down",))),
            "usuarios.c": Cast(up=Sql(postgresql=("up",))),
        },
        upgrade=Sql(default=("SELECT 1", "SELECT 2")),
        downgrade_sql=Sql(sqlite=("SELECT 3",), mysql=("SELECT 4", "SELECT 5")),
        modules=("vendas.pedido", "usuario", "produto"),
    )
    assert fim == plan.Stage(
        name="fim",
        message="fim",
        upgrade=Sql(default=("SELECT 6",)),
        reversible=False,
        modules=("vendas.pedido", "usuario", "produto"),
    )


def test_keys_that_begin_with_x_are_the_user_s_own(read: Read) -> None:
    rows = "x-rows: &rows {usuarios: [{nome: Alice}]}\nx-: 1\n"
    stage = "stages:\n  - {name: usuario, enable: [usuario], rows: *rows}\n"
    assert read(rows + HEAD + stage).stages[0].rows == {"usuarios": ({"nome": "Alice"},)}
    with pytest.raises(WrongUse, match="`xrows` is not a key of the file"):
        read("xrows: 1\n" + HEAD + stage.replace("*rows", "{}"))


def test_what_is_left_out_has_its_default(read: Read, tmp_path: Path) -> None:
    made = read(HEAD + STAGE)
    assert made.database.protected is False
    assert made.migrations == tmp_path / "migrations"
    assert made.prove_on == ("sqlite://",)
    assert made.stages == (plan.Stage(name="usuario", message="Usuário", enable=("usuario",), modules=("usuario",)),)


@pytest.mark.parametrize(
    ("dialect", "texts"),
    [("sqlite", ("a",)), ("postgresql", ("b", "c")), ("mysql", ("d",)), ("mariadb", ("d",)), ("oracle", ("e",))],
)
def test_sql_is_read_for_each_server(dialect: str, texts: tuple[str, ...]) -> None:
    assert Sql(sqlite=("a",), postgresql=("b", "c"), mysql=("d",), default=("e",)).on(dialect) == texts


def test_sql_without_a_server_falls_back_to_its_default_or_to_nothing() -> None:
    assert Sql(sqlite=("a",), default=("b",)).on("mariadb") == ("b",)
    assert Sql(sqlite=("a",)).on("mariadb") == ()
    assert Sql(sqlite=("a",))
    assert not Sql()


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ((), "1:1"),
        (("database",), "1:1"),
        (("database", "url"), "2:3"),
        (("prove_on", 1), "8:23"),
        (("stages", 0), "10:5"),
        (("stages", 0, "enable", 1), "12:23"),
        (("stages", 0, "rows", "usuarios", 1, "nome"), "16:12"),
        (("stages", 1, "rename", "produtos"), "23:7"),
        (("stages", 1, "drop", 1), "24:28"),
        (("stages", 1, "fill", "usuarios.idade", "default"), "27:37"),
        (("stages", 1, "cast", "usuarios.b", "down"), "30:28"),
        (("stages", 1, "data", "upgrade", 1), "33:27"),
        (("stages", 2, "drop", 7), "35:5"),
        (("stages", 2, "data", "upgrade"), "36:5"),
    ],
)
def test_a_value_is_found_where_it_stands_or_near_it(read: Read, key: tuple[str | int, ...], place: str) -> None:
    assert str(read(FULL).where(*key)) == f"config.yaml:{place}"


def test_a_stage_is_found_by_its_name(read: Read) -> None:
    assert read(FULL).stage("muda").message == "Muda"


def test_a_stage_that_is_not_there_is_reported_with_the_nearest_name(read: Read) -> None:
    with pytest.raises(WrongUse) as caught:
        read(FULL).stage("usuarios")
    assert str(caught.value) == "There is no stage `usuarios`. The nearest stage is `usuario`."


def test_a_byte_order_mark_is_no_mistake(read: Read) -> None:
    marked = read(b"\xef\xbb\xbf" + FULL.encode())
    assert marked == read(FULL)
    assert str(marked.where("database")) == "config.yaml:1:1"


def test_libyaml_changes_nothing_but_the_time(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = read(FULL)
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    slow = read(FULL)
    assert (fast, fast.marks) == (slow, slow.marks)


def test_aliases_and_merges_are_what_they_stand_for(read: Read) -> None:
    made = read(
        stage(
            "rows:",
            "  a: [&first {x: 1, y: 1}, &second {y: 2, z: 2}]",
            "  b: [{y: 3, <<: [*first, *second]}, {<<: *first, <<: *second}, *second]",
        )
    )
    first, second, third = made.stages[0].rows["b"]
    assert first == {"x": 1, "y": 3, "z": 2}
    assert second == {"x": 1, "y": 1, "z": 2}
    assert third == {"y": 2, "z": 2}
    assert str(made.where("stages", 0, "rows", "b", 0, "z")) == "config.yaml:11:47"


def test_aliases_within_aliases_cost_no_more_than_their_text(read: Read) -> None:
    """Thirty lines that stand for 4 ** 30 values; unfolded, this would never end."""
    lines = [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 31)]
    made = read(stage("rows:", "  t:", "    - a0: &a0 [1]", *(f"      {line}" for line in lines)))
    assert len(made.stages[0].rows["t"][0]) == 31


def test_values_do_not_change(read: Read) -> None:
    rows = read(FULL).stages[0].rows
    with pytest.raises(TypeError, match="a plan cannot be changed"):
        rows["usuarios"][0]["nome"] = "Bob"  # type: ignore[index]
    with pytest.raises(TypeError, match="a plan cannot be changed"):
        rows.clear()  # type: ignore[attr-defined]


def test_values_go_where_plain_ones_go(read: Read) -> None:
    made = read(FULL)
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own bytes
    assert hash(made) == hash(read(FULL))
    assert json.dumps(made.stages[0].rows["usuarios"][1]) == '{"nome": null, "dados": {"cores": ["azul", {"a": 1}]}}'


def test_a_plan_that_is_printed_shows_no_url(read: Read) -> None:
    made = read(url("postgresql://u:secret@host/d") + "prove_on: ['mysql://u:secret@host']\n")
    assert "secret" not in repr(made)
    assert "secret" not in repr(made.database)


# -------------------------------------------------------------------------- variables and URLs


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("${URL}", "mysql+pymysql://u:p@host/d"),
        ("${NONE:-sqlite://}", "sqlite://"),
        ("${EMPTY:-sqlite://}", "sqlite://"),
        ("${NONE:-}sqlite://${EMPTY}", "sqlite://"),
        ("postgresql://${USER}:${PASS}@host/d", "postgresql+psycopg://ana:p$a{ss@host/d"),
        ("postgresql://u:$USER$$a${@host/d", "postgresql+psycopg://u:$USER$$a${@host/d"),
        ("${TWICE}", "postgresql+psycopg://u:${USER}@host/d"),
    ],
)
def test_variables_are_expanded_once_and_other_dollar_signs_stay(read: Read, written: str, meant: str) -> None:
    environ = {
        "URL": "mysql://u:p@host/d",
        "EMPTY": "",
        "USER": "ana",
        "PASS": "p$a{ss",
        "TWICE": "postgresql://u:${USER}@host/d",
    }
    assert read(url(written), **environ).database.url == meant
    assert read(prove_on(f"['{written}']"), **environ).prove_on == (meant,)


@pytest.mark.parametrize(("word", "meant"), [("true", True), ("False", False), ("yes", True), ("off", False)])
def test_a_variable_can_protect(read: Read, word: str, *, meant: bool) -> None:
    text = HEAD.replace("models:", "  protected: ${WORD:-true}\nmodels:") + STAGE
    assert read(text, WORD=word).database.protected is meant


def test_a_variable_is_expanded_nowhere_else(read: Read) -> None:
    assert read(stage("fill: {usuarios.nome: '${NAME}'}")).stages[0].fill["usuarios.nome"].on("sqlite") == ("${NAME}",)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("sqlite://", "sqlite://"),
        ("sqlite:///", "sqlite:///"),
        ("'sqlite:///:memory:'", "sqlite:///:memory:"),
        ("sqlite+pysqlite://", "sqlite://"),
        ("sqlite:///exemplo.db", "sqlite:///{folder}/exemplo.db"),
        ("sqlite:///../exemplo.db?timeout=3", "sqlite:///{above}/exemplo.db?timeout=3"),
        ("sqlite:////srv/exemplo.db", "sqlite:////srv/exemplo.db"),
        ("postgresql://u:p@host/d", "postgresql+psycopg://u:p@host/d"),
        (
            "postgresql+psycopg://u:p%40@host:5432/d?sslmode=require",
            "postgresql+psycopg://u:p%40@host:5432/d?sslmode=require",
        ),
        ("postgresql:///d?service=exemplo", "postgresql+psycopg:///d?service=exemplo"),
        ("postgresql://host?dbname=d", "postgresql+psycopg://host/d"),
        ("mysql://u@host/d", "mysql+pymysql://u@host/d"),
        ("mysql+pymysql://u@host/d", "mysql+pymysql://u@host/d"),
        ("mariadb://u@host/d?charset=utf8mb4", "mariadb+pymysql://u@host/d?charset=utf8mb4"),
        ("mariadb+pymysql://u@host/d", "mariadb+pymysql://u@host/d"),
    ],
)
def test_a_url_names_its_driver_and_a_whole_path(read: Read, tmp_path: Path, written: str, meant: str) -> None:
    assert read(url(written)).database.url == meant.format(folder=tmp_path, above=tmp_path.parent)


def test_the_file_may_be_named_by_a_text(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(FULL, encoding="utf-8")
    assert plan.read(str(tmp_path / "config.yaml")) == plan.read(tmp_path / "config.yaml")


def test_a_relative_path_is_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "a b" / "que?"
    elsewhere.mkdir(parents=True)
    (elsewhere / "config.yaml").write_text(HEAD + STAGE, encoding="utf-8")
    made = plan.read(Path("a b/que?/config.yaml"))
    assert make_url(made.database.url).database == str(elsewhere / "exemplo.db")
    assert made.migrations == elsewhere / "migrations"
    assert str(made.where("models")) == "a b/que?/config.yaml:3:1"


# -------------------------------------------------------------------------- errors


def test_an_error_is_one_line_and_one_object() -> None:
    error = errors.Refused("It would go.", where=errors.Where("c.yaml", 2, 3), hint="Name it.", needs=[1], stage="v2")
    assert str(error) == "c.yaml:2:3: It would go. Name it."
    assert error.to_json() == {
        "code": 6,
        "message": "It would go.",
        "where": "c.yaml:2:3",
        "hint": "Name it.",
        "needs": [1],
        "stage": "v2",
    }
    assert str(errors.Refused("It would go.")) == "It would go."


def test_no_detail_hides_the_code() -> None:
    assert SqlstrataError("No.", code=0).to_json() == {"code": 1, "message": "No.", "where": None, "hint": None}


def test_an_error_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(errors.Locked("Wait.", where="d", hint="Later.", holder="x")))  # noqa: S301 - our own bytes
    assert (type(error), str(error), error.details) == (errors.Locked, "d: Wait. Later.", {"holder": "x"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql://u:p@host/d.", "at postgresql://u:***@host/d."),
        ("at mysql://:p@ss/w:rd@host", "at mysql://:***@host"),
        ("at sqlite:///a.db, ana@host", "at sqlite:///a.db, ana@host"),
    ],
)
def test_no_error_shows_a_password(text: str, shown: str) -> None:
    error = SqlstrataError(text, where=text, hint=text)
    assert (error.message, error.where, error.hint, error.args) == (shown, shown, shown, (shown,))


def test_the_exit_codes_are_those_of_the_contract() -> None:
    names = "WrongUse HistoryDiffers DatabaseBehind SchemaDiffers Refused Locked Unreachable MigrationFailed Protected"
    assert [getattr(errors, name).code for name in names.split()] == list(range(2, 11))


def test_every_message_ends_with_a_full_stop() -> None:
    assert [case for case, _, _, message in WRONG if not re.search(r"\.$", message)] == []
