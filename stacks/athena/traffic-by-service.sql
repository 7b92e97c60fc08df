WITH files AS (
  SELECT
    services,
    -- Counts duplicate objects (same key and content) once.
    row_number() OVER (
      PARTITION BY sources[1].uri, coalesce(sources[1].etag, sources[1].version_id) ORDER BY sources[1].version_id
    ) AS copy
  FROM summaries
  WHERE "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')
)
SELECT
  wrapped[1].service AS service,
  max(wrapped[1].interfaces) AS most_interfaces_of_a_file,
  sum(wrapped[1].accepted.flows) AS flows,
  sum(wrapped[1].accepted.bytes) AS bytes,
  sum(wrapped[1].rejected.flows) AS rejected_flows,
  sum(wrapped[1].rejected.bytes) AS rejected_bytes
FROM files
CROSS JOIN UNNEST(transform(services, one -> ARRAY[one])) AS t (wrapped)
WHERE copy = 1
GROUP BY wrapped[1].service
ORDER BY bytes DESC, service
