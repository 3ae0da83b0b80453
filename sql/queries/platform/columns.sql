-- The columns of a relation, for the check against the input contract: of which type each is (`kind`, of a
-- domain the type beneath it; `shown` as it was declared), whether it has a collation of its own, and whether this user
-- may read it. Tables, views and foreign tables count.
with recursive col as (
    select attname, attnum, attrelid, attcollation, atttypid, atttypmod
    from pg_attribute where attrelid = to_regclass(%(relation)s) and attnum > 0 and not attisdropped
), base as (
    select attnum, atttypid as type, atttypmod as modifier from col
    union all
    select b.attnum, t.typbasetype, case when b.modifier >= 0 then b.modifier else t.typtypmod end
    from base b join pg_type t on t.oid = b.type and t.typtype = 'd'
)
select c.attname,
       case when t.typtype = 'e' then 'enum'
            when t.typname = 'citext' then 'citext'
            -- The low half of a numeric's modifier is its scale.
            when b.type = 'numeric'::regtype and b.modifier >= 4 and (b.modifier - 4) & 2047 = 0 then 'numeric(n,0)'
            else format_type(b.type, null) end as kind,
       format_type(c.atttypid, c.atttypmod) as shown,
       c.attcollation not in (0, 'pg_catalog."default"'::regcollation) as is_collated,
       has_column_privilege(c.attrelid, c.attnum, 'select') as is_readable
from col c
join base b on b.attnum = c.attnum
join pg_type t on t.oid = b.type and t.typtype <> 'd'
