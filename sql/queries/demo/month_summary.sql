-- A billed month in a few figures, for the closing table of `evbilling demo`. Parameter: period.
select (select count(distinct account_id)
          from (select account_id from finance.connector_decisions where period = %(period)s
                union all
                select account_id from finance.unbilled_accounts where period = %(period)s) as account),
       (select count(*) from finance.connector_decisions where period = %(period)s),
       (select count(*) from finance.connector_decisions where period = %(period)s and is_billed),
       (select count(*) from finance.statements where period = %(period)s and kind = 'connector'),
       (select count(*) from finance.unbilled_accounts where period = %(period)s);
