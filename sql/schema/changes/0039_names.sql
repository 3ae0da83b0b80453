alter table billing.run_shard add column if not exists names_uri text;
alter table billing.run_shard add column if not exists names_sha256 text;
comment on column billing.run_shard.names_uri is
    'What the shard''s chargers are called, as evidence; null: its inventory was stored before names were kept';
drop function if exists billing.register_inventory(bigint, integer, text, text, bigint, bigint);
