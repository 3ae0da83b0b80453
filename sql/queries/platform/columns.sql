-- Which columns a source relation has, for the check against the input contract. Views and foreign tables count too.
select attname from pg_attribute
where attrelid = to_regclass(%(relation)s) and attnum > 0 and not attisdropped;
