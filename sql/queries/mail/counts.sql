-- How many messages there are by kind and state, for the Mail page. Null means any period or account; a to next_c are
-- the ranges of the period's statement ids, by kind.
select m.kind, m.state, count(*)
from billing.mail m
where (%(period)s::text is null or m.period = %(period)s and (
          m.statement_id >= %(a)s and m.statement_id < %(next_a)s
          or m.statement_id >= %(s)s and m.statement_id < %(next_s)s
          or m.statement_id >= %(c)s and m.statement_id < %(next_c)s))
  and (%(account)s::text is null or m.statement_id in (
      select t.statement_id from billing.statement t where t.account_id = %(account)s))
group by 1, 2;
