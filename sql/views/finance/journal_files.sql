create or replace view finance.journal_files with (security_barrier) as
select f.export_id,
       f.format,
       f.name,
       f.sha256,
       f.size,
       f.key
from billing.journal_file f;

comment on view finance.journal_files is 'One row per file of an export of the journal: the same postings in another format';
comment on column finance.journal_files.export_id is 'Export that it is of';
comment on column finance.journal_files.format is 'hledger, beancount, csv, datev, xero or quickbooks';
comment on column finance.journal_files.name is 'Name under which it is downloaded';
comment on column finance.journal_files.sha256 is 'SHA-256 of its bytes';
comment on column finance.journal_files.size is 'Number of its bytes';
comment on column finance.journal_files.key is 'Its path in the evidence store';
