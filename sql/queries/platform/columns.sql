-- Which columns a relation of the source has, for the check against the input contract. Views and foreign tables count
-- too.
select attname from pg_attribute
where attrelid = to_regclass(%(relation)s) and attnum > 0 and not attisdropped;
