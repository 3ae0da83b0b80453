-- Some of the customers of a batch's attempts that may still be sent, each once: of its first hundred, at most `most`.
select distinct a.customer
from (select p.customer from billing.payment_attempt p
      where p.batch = %(batch)s and p.outcome = 'pending' order by p.attempt_id limit 100) a
where a.customer is not null
order by a.customer
limit %(most)s;
