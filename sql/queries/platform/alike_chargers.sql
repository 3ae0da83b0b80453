-- The chargers with these letters and digits, whatever separates them. Asked only of a few
-- connectors without a charger.
select distinct charger_id from {charger} as ch
where lower(regexp_replace(charger_id, '[^[:alnum:]]', '', 'g')) = any(%(keys)s)
order by 1 limit 10
