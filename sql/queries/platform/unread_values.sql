-- Some of the values of a column that can't be read as what the contract wants: {reading} gives null for them. Empty is
-- no value.
select distinct substr({found}::text, 1, 60) from {relation} as t where {found}::text <> '' and {reading} is null
order by 1 limit 5
