-- Sorts the platform's charges for this month's statements. A new charge in good order becomes an item of its account's
-- statement. Other charges that need attention go to ..._judged: `fault` is why the account can't be stated; `altered`
-- is how the charge differs from what a statement lists, in words; `increase_minor` is how much more was settled since;
-- or it is new, of an account with an unknown currency. Unchanged charges on earlier statements are skipped. CREATE
-- TABLE AS uses all cores, which INSERT never does.
create or replace function billing.stage_charges(p_run_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'account_run_' || p_run_id;
begin
    execute format($q$
        analyze staging.%1$I (account_id), staging.%2$I (account_id, charge_id), staging.%3$I (account_id);
        create unlogged table staging.%4$I as
        select charge_id from staging.%2$I group by charge_id having count(*) > 1;
        -- An item's id is settled/<charge>/<settled so far>, and a charge's id may hold anything.
        create unlogged table staging.%5$I as
        select substring(item_id from '^settled/(.*)/-?[0-9]+$') as charge_id, -sum(total_minor)::bigint as settled_minor
        from billing.account_statement_item where item_kind = 'paid_outside' and item_id like 'settled/%%' group by 1;
        analyze staging.%4$I, staging.%5$I;
        create unlogged table staging.%6$I as
        with compared as (
            select c.*, a.currency as account_currency, a.minor_unit, l.statement_id as listed_on,
                   l.account_id as listed_account,
                   l.currency as listed_currency, l.description as listed_description, l.net_minor as listed_net,
                   l.tax_minor as listed_tax, l.settled_minor + coalesce(s.settled_minor, 0) as booked_minor,
                   l.minor_unit as listed_unit, r.charge_id is not null as is_repeated,
                   c.net_amount * m.factor as net, c.tax_amount * m.factor as tax, c.settled_amount * m.factor as settled
            from staging.%2$I c
            join staging.%1$I a on a.account_id = c.account_id
            left join billing.account_statement_item l on l.item_kind = 'charge' and l.item_id = c.charge_id
            left join staging.%5$I s on s.charge_id = l.item_id
            left join staging.%4$I r on r.charge_id = c.charge_id
            -- A look-up, because power() would take longer than all the rest.
            cross join lateral (
                select ('{1,10,100,1000,10000}'::numeric[])[1 + greatest(coalesce(l.minor_unit, a.minor_unit), 0)]
                           as factor) m
            -- `offset` keeps the planner from merging the subqueries, which would compute each figure and reason wherever
            -- it is used. It is quoted because after a number, which is cast, the planner sees a limit and uses one core.
            offset '0'
        ), judged as (
            select k.*,
                   case
                       when k.is_repeated and k.charge_id is not null then 'CHARGE-REPEATED'
                       when k.listed_on is not null then null
                       when coalesce(k.charge_id, '') = '' or k.occurred_at is null or k.currency is null
                         or num_nulls(k.net, k.tax, k.settled) > 0 then 'CHARGE-INCOMPLETE'
                       when length(k.charge_id) > 300 then 'CHARGE-ID-TOO-LONG'
                       -- NaN and infinity count as the largest there are.
                       when greatest(abs(k.net), abs(k.tax), abs(k.settled)) >= 1e15 then 'CHARGE-TOO-LARGE'
                       when k.minor_unit >= 0 and k.currency <> k.account_currency then 'CHARGE-CURRENCY'
                       when k.minor_unit >= 0 and k.minor_unit < greatest(
                               min_scale(k.net_amount), min_scale(k.tax_amount), min_scale(k.settled_amount))
                           then 'CHARGE-DECIMALS'
                   end as fault,
                   case
                       when k.listed_on is null then null
                       when k.listed_account <> k.account_id then
                           format('charge %%s of %%s is on statement %%s of %%s already', k.charge_id, k.account_id,
                                  k.listed_on, k.listed_account)
                       when ((k.currency, k.net, k.tax)
                             is distinct from (k.listed_currency, k.listed_net, k.listed_tax)) then
                           format('charge %%s of %%s is %%s + %%s %%s now, on statement %%s it is %%s + %%s %%s',
                                  k.charge_id, k.account_id,
                                  trim_scale(k.net_amount), trim_scale(k.tax_amount), k.currency, k.listed_on,
                                  round(k.listed_net / power(10::numeric, k.listed_unit), k.listed_unit),
                                  round(k.listed_tax / power(10::numeric, k.listed_unit), k.listed_unit),
                                  k.listed_currency)
                       when k.settled is null or k.settled < k.booked_minor or k.settled >= 1e15
                         or k.settled <> trunc(k.settled) then
                           format('of charge %%s of %%s, %%s %%s are settled now, by its statements %%s were', k.charge_id,
                                  k.account_id, coalesce(trim_scale(k.settled_amount)::text, 'none'), k.listed_currency,
                                  round(k.booked_minor / power(10::numeric, k.listed_unit), k.listed_unit))
                   end as altered
            from compared k offset '0'
        )
        select 'charge' as item_kind, charge_id as item_id, account_id, occurred_at,
               coalesce(description, kind, 'Charge') as description, currency, minor_unit,
               case when i.is_new then net::bigint end as net_minor, case when i.is_new then tax::bigint end as tax_minor,
               case when i.is_new then net::bigint + tax::bigint end as total_minor,
               case when fault is null and altered is null and minor_unit >= 0 then settled::bigint end as settled_minor,
               i.is_new, listed_on, listed_currency, listed_description, listed_unit, fault, altered,
               case when fault is not null
                    then trim_scale(net_amount) || ' + ' || trim_scale(tax_amount) || ' ' || currency end as shown,
               case when fault is null and altered is null and listed_on is not null then (settled - booked_minor)::bigint
                    else 0 end as increase_minor
        from judged
        cross join lateral (select fault is null and listed_on is null and minor_unit >= 0 as is_new) i
        where listed_on is null or fault is not null or altered is not null or settled > booked_minor;
        with other as (delete from staging.%6$I where not is_new returning *)
        insert into staging.%7$I
        select account_id, item_id, listed_on, listed_currency, listed_description, listed_unit, shown, fault, altered,
               settled_minor, increase_minor
        from other;
        alter table staging.%6$I
            drop column is_new, drop column listed_on, drop column listed_currency, drop column listed_description,
            drop column listed_unit, drop column fault, drop column altered, drop column shown,
            drop column increase_minor, alter item_kind set not null, alter item_id set not null, alter account_id set not null,
            alter occurred_at set not null, alter description set not null, alter currency set not null,
            alter minor_unit set not null, alter net_minor set not null, alter tax_minor set not null,
            alter total_minor set not null, alter settled_minor set not null;
        grant select on staging.%6$I to evbilling_writer;
        insert into staging.%7$I (account_id, charge_id, listed_on, altered, increase_minor)
        select l.account_id, l.item_id, l.statement_id,
               format('charge %%s of %%s, on statement %%s, is no longer among the platform''s charges of that time',
                      l.item_id, l.account_id, l.statement_id), 0
        from billing.account_statement_item l
        join staging.%1$I a on a.account_id = l.account_id
        where l.item_kind = 'charge' and not exists (
            select from staging.%2$I c where c.charge_id = l.item_id and c.account_id = l.account_id);
        $q$,
        v_stage || '_candidate', v_stage || '_charge', v_stage || '_counted', v_stage || '_repeated',
        v_stage || '_since', v_stage || '_item', v_stage || '_judged');
end
$$;
