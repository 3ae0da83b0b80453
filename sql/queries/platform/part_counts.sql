-- How many rows read_chargers and read_connectors have to bring, as the source itself counts them.
select (select count(*) from {charger}
        where (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
          and {in_part}),
       (select count(*) from {connector}
        where (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
          and {in_part})
