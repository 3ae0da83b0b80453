-- A net amount with its tax, rounded half up once, as a statement has it.
create or replace function billing.with_tax(p_net_minor bigint, p_tax_rate numeric) returns bigint
language sql immutable parallel safe
return p_net_minor + floor(p_net_minor * p_tax_rate + 0.5)::bigint;
