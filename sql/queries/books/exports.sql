-- The exports of the journal with their files, the newest first; of one, or a page below a number.
select e.export_id, e.period::text as period, e.booked_before, e.postings, e.chart_id, e.made_at, e.actor as made_by,
       e.reason,
       (select jsonb_agg(jsonb_build_object('format', f.format, 'name', f.name, 'key', f.key, 'sha256', f.sha256,
                                            'size', f.size) order by f.format)
        from billing.journal_file f where f.export_id = e.export_id) as files
from billing.journal_export e
where (%(export_id)s::bigint is null or e.export_id = %(export_id)s)
  and (%(below)s::bigint is null or e.export_id < %(below)s)
order by e.export_id desc
limit %(most)s
