WITH files AS (
  SELECT
    "date", account_id, region, records, traffic, limits_reached,
    -- Counts duplicate objects (same key and content) once.
    row_number() OVER (
      PARTITION BY sources[1].uri, coalesce(sources[1].etag, sources[1].version_id) ORDER BY sources[1].version_id
    ) AS copy
  FROM summaries
  WHERE "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')
)
SELECT
  "date",
  account_id,
  region,
  count(*) AS files,
  sum(records.total) AS records,
  sum(records.accepted) AS accepted,
  sum(records.rejected) AS rejected,
  sum(records.no_data) AS no_data,
  sum(records.skip_data) AS skip_data,
  sum(records.other) AS other,
  sum(records.malformed) AS malformed,
  sum(traffic.accepted.bytes) AS accepted_bytes,
  sum(traffic.rejected.bytes) AS rejected_bytes,
  count_if(cardinality(limits_reached) > 0) AS files_with_limits_reached
FROM files
WHERE copy = 1
GROUP BY "date", account_id, region
ORDER BY "date", account_id, region
