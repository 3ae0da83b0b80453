-- An amount in major units, by which amounts of all currencies are sorted: 1,000 yen come after 500 euros.
create or replace function billing.major(p_minor bigint, p_minor_unit smallint) returns numeric
language sql immutable parallel safe
return p_minor * (array[1, 0.1, 0.01, 0.001, 0.0001]::numeric[])[p_minor_unit + 1];
