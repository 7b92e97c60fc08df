WITH reported AS (
  SELECT DISTINCT
    -- Removes the fingerprint, so that duplicate objects (same key and content) count once.
    regexp_replace("$path", '-[0-9a-f]{32}[.]ndjson$', '') AS file,
    id, account_id, region, subject, flows, first_seen, last_seen
  FROM findings
  WHERE "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d') AND type = 'skipped-data'
)
SELECT
  account_id,
  region,
  subject.interface_id AS interface_id,
  sum(flows) AS skipped_records,
  count(DISTINCT file) AS files,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen
FROM reported
GROUP BY account_id, region, subject.interface_id
ORDER BY skipped_records DESC, interface_id
LIMIT 1000
