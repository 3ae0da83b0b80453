-- Every column of the finance views with its type and comment, for docs/data-dictionary.md.
select c.relname as view_name,
       obj_description(c.oid, 'pg_class') as view_comment,
       a.attname as column_name,
       format_type(a.atttypid, a.atttypmod) as column_type,
       col_description(c.oid, a.attnum) as column_comment
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'finance'::regnamespace and c.relkind = 'v'
order by c.relname, a.attnum;
