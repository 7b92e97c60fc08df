WITH files AS (
  SELECT
    rejected,
    "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d') AS this_week,
    -- Counts duplicate objects (same key and content) once.
    row_number() OVER (
      PARTITION BY sources[1].uri, coalesce(sources[1].etag, sources[1].version_id) ORDER BY sources[1].version_id
    ) AS copy
  FROM summaries
  WHERE
    "date" BETWEEN date_format(current_date - INTERVAL '14' DAY, '%Y-%m-%d')
    AND date_format(current_date - INTERVAL '1' DAY, '%Y-%m-%d')
)
SELECT
  wrapped[1].interface_id AS interface_id,
  max(wrapped[1].vpc_id) AS vpc_id,
  max(wrapped[1].subnet_id) AS subnet_id,
  sum(IF(this_week, wrapped[1].flows, 0)) AS flows,
  sum(IF(NOT this_week, wrapped[1].flows, 0)) AS flows_before,
  sum(IF(this_week, wrapped[1].flows, 0)) - sum(IF(NOT this_week, wrapped[1].flows, 0)) AS change
FROM files
CROSS JOIN UNNEST(transform(rejected.by_interface, one -> ARRAY[one])) AS t (wrapped)
WHERE copy = 1
GROUP BY wrapped[1].interface_id
ORDER BY abs(change) DESC, interface_id
LIMIT 100
