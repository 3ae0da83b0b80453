create or replace view finance.journal_exports with (security_barrier) as
select e.export_id,
       e.period::text as period,
       e.booked_before,
       e.postings,
       e.transfers as transfer_ids,
       e.chart_id,
       e.made_at,
       e.actor as made_by,
       e.reason
from billing.journal_export e;

comment on view finance.journal_exports is 'One row per export of the journal to the books; each posting of finance.ledger is in at most one';
comment on column finance.journal_exports.export_id is 'Number of the export';
comment on column finance.journal_exports.period is 'Month exported, YYYY-MM, in the time zone of the books; also what was posted earlier and in no export yet';
comment on column finance.journal_exports.booked_before is 'What was posted before this: the end of the month, or the export if that was still to come';
comment on column finance.journal_exports.postings is 'Number of postings';
comment on column finance.journal_exports.transfer_ids is 'The postings: transfer_id <@ transfer_ids says whether one is in it';
comment on column finance.journal_exports.chart_id is 'The chart of accounts that was in force; null: the default one';
comment on column finance.journal_exports.made_at is 'When it was made';
comment on column finance.journal_exports.made_by is 'Who made it';
comment on column finance.journal_exports.reason is 'The reason that was given';
