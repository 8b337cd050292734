"""The tutorial's program: make the migrations, carry them out, and add Alice and Bob. `python -m project.main`."""

from __future__ import annotations

import sys

import sqlalchemy as sa
from sqlalchemy.orm import Session

from project.db import Usuario, setup_database
from project.migrations import apply_migration, create_migration
from sqlstrata import SqlstrataError

PEOPLE = {"Alice": 30, "Bob": 25}


def add_people(session: Session) -> list[str]:
    """Add those of Alice, 30, and Bob, 25, if they are missing, and give the names of the added ones."""
    there = set(session.scalars(sa.select(Usuario.nome)))
    missing = {nome: idade for nome, idade in PEOPLE.items() if nome not in there}
    session.add_all(Usuario(nome=nome, idade=idade) for nome, idade in missing.items())
    session.commit()
    return list(missing)


def main() -> int:
    """Do everything, and print what was done. The exit code is that of `inv`."""
    try:
        revisions = create_migration()
        print(f"Migrations: {', '.join(each.filename for each in revisions)}.")
        with setup_database() as session:
            print(f"Database: {session.get_bind().engine.url.render_as_string()}.")
            applied = apply_migration()
            print(f"Applied: {', '.join(applied)}." if applied else "Nothing to apply.")
            added = add_people(session)
            print(f"Added: {', '.join(added)}." if added else "Alice and Bob already exist.")
            for usuario in session.scalars(sa.select(Usuario).order_by(Usuario.id)):
                print(f"  {usuario.id}: {usuario.nome}, {usuario.idade}, {usuario.email or 'no e-mail'}")
    except SqlstrataError as error:
        print(error, file=sys.stderr)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
