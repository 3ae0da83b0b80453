-- How many rows chargers.sql and connectors.sql have to bring for one part, as the source itself counts them.
select (select count(*) from {charger} as ch
        where (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
          and {in_part}),
       (select count(*) from {connector} as co
        where (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
          and {in_part})
