create or replace view finance.account_statement_items with (security_barrier) as
select i.statement_id,
       i.item_kind,
       i.item_id,
       i.occurred_at,
       i.description,
       i.currency,
       round(i.net_minor / power(10::numeric, i.minor_unit), i.minor_unit) as net_amount,
       round(i.tax_minor / power(10::numeric, i.minor_unit), i.minor_unit) as tax_amount,
       round(i.total_minor / power(10::numeric, i.minor_unit), i.minor_unit) as total_amount,
       round(i.settled_minor / power(10::numeric, i.minor_unit), i.minor_unit) as settled_amount,
       i.account_id
from billing.account_statement_item i;

comment on view finance.account_statement_items is 'One row per item of an account statement; every item is on exactly one';
comment on column finance.account_statement_items.statement_id is 'Account statement that lists the item';
comment on column finance.account_statement_items.item_kind is 'opening_balance, connector_statement, correction, charge, payment or paid_outside';
comment on column finance.account_statement_items.item_id is 'What it is: a statement, a charge of the platform, a payment (one that ends in -undone takes that payment back, one in -refunded- and a number was given back by the gateway, one in -credited- and a number is not collected for it again); for an opening balance the account statement before';
comment on column finance.account_statement_items.occurred_at is 'When it occurred, in UTC';
comment on column finance.account_statement_items.description is 'The item in words';
comment on column finance.account_statement_items.currency is 'ISO 4217 code of every amount in the row';
comment on column finance.account_statement_items.net_amount is 'Amount before tax, in major units';
comment on column finance.account_statement_items.tax_amount is 'Tax';
comment on column finance.account_statement_items.total_amount is 'By how much the item raises the balance; below zero for payments, above for a paid_outside that was undone and a payment that was refunded';
comment on column finance.account_statement_items.settled_amount is 'Part of a charge that was settled elsewhere before it was listed: the balance rises by the total less this';
comment on column finance.account_statement_items.account_id is 'Account stated';
