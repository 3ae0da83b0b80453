-- History rows of chargers that have several rows around the count: either the charger moved, or rows overlap.
-- Also for accounts without billing: a charger claimed by two accounts at once is a fault, whoever the other is.
select ch.charger_id, ch.account_id,
       nullif(ch.valid_from, '-infinity') as valid_from, nullif(ch.valid_to, 'infinity') as valid_to
from {charger} ch
join (select charger_id from {charger} ch
      where (ch.valid_from is null or ch.valid_from <= {last}) and (ch.valid_to is null or ch.valid_to > {first})
        and {in_part}
      group by charger_id having count(*) > 1) shared on shared.charger_id = ch.charger_id
where (ch.valid_from is null or ch.valid_from <= {last}) and (ch.valid_to is null or ch.valid_to > {first})
order by ch.charger_id, ch.valid_from nulls first
