"""Only the owner's functions make objects in staging: what the writer has made there goes."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Drop the writer's objects: scratch tables of runs under way, whose tasks say what to clear, and anything else."""
    op.execute(
        """
        do $$
        declare
            v_object record;
        begin
            for v_object in
                select i.type, i.identity
                from pg_shdepend d
                cross join lateral pg_identify_object(d.classid, d.objid, 0) i
                where d.dbid = (select oid from pg_database where datname = current_database()) and d.deptype = 'o'
                  and d.refobjid = 'evbilling_writer'::regrole and i.schema = 'staging'
            loop
                -- A `statistics object` is dropped as statistics.
                execute format('drop %s if exists %s cascade', replace(v_object.type, ' object', ''),
                               v_object.identity);
            end loop;
        end
        $$
        """
    )
