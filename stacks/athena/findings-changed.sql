WITH reported AS (
  SELECT DISTINCT
    -- Removes the fingerprint, so that duplicate objects (same key and content) count once.
    regexp_replace("$path", '-[0-9a-f]{32}[.]ndjson$', '') AS file,
    id, type, severity, title, flows, first_seen, last_seen, exact,
    "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d') AS this_week
  FROM findings
  WHERE
    "date" BETWEEN date_format(current_date - INTERVAL '14' DAY, '%Y-%m-%d')
    AND date_format(current_date - INTERVAL '1' DAY, '%Y-%m-%d')
),
by_id AS (
  SELECT
    id,
    type,
    max(CASE severity WHEN 'high' THEN 3 WHEN 'medium' THEN 2 ELSE 1 END) AS worst,
    max_by(title, last_seen) AS title,
    count(DISTINCT IF(this_week, file)) AS files,
    count(DISTINCT IF(NOT this_week, file)) AS files_before,
    sum(IF(this_week, flows, 0)) AS flows,
    sum(IF(NOT this_week, flows, 0)) AS flows_before,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen,
    bool_and(exact) AS exact
  FROM reported
  GROUP BY id, type
)
SELECT
  CASE WHEN files_before = 0 THEN 'new' WHEN files = 0 THEN 'resolved' ELSE 'ongoing' END AS change,
  element_at(ARRAY['low', 'medium', 'high'], worst) AS severity,
  type,
  title,
  files,
  files_before,
  flows,
  flows_before,
  first_seen,
  last_seen,
  exact,
  id
FROM by_id
ORDER BY files_before > 0, files > 0, worst DESC, flows DESC, flows_before DESC, id
LIMIT 1000
