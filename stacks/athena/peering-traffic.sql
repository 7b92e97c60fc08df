WITH files AS (
  SELECT
    coalesce("window"."end", "date") AS seen,
    peering,
    -- Counts duplicate objects (same key and content) once.
    row_number() OVER (
      PARTITION BY sources[1].uri, coalesce(sources[1].etag, sources[1].version_id) ORDER BY sources[1].version_id
    ) AS copy
  FROM summaries
  WHERE "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')
)
SELECT
  wrapped[1].peering_connection_id AS peering_connection_id,
  max_by(wrapped[1].status, seen) AS status,
  wrapped[1].requester_vpc_id AS requester_vpc_id,
  wrapped[1].accepter_vpc_id AS accepter_vpc_id,
  bool_or(wrapped[1].cross_account) AS cross_account,
  bool_or(wrapped[1].inter_region) AS inter_region,
  sum(wrapped[1].accepted.flows) AS flows,
  sum(wrapped[1].accepted.bytes) AS bytes,
  sum(wrapped[1].rejected.flows) AS rejected_flows,
  sum(wrapped[1].rejected.bytes) AS rejected_bytes,
  round(
    100 * CAST(sum(wrapped[1].rejected.flows) AS double)
    / nullif(CAST(sum(wrapped[1].accepted.flows + wrapped[1].rejected.flows) AS double), 0),
    1
  ) AS rejected_percent
FROM files
CROSS JOIN UNNEST(transform(peering.connections, one -> ARRAY[one])) AS t (wrapped)
WHERE copy = 1
GROUP BY wrapped[1].peering_connection_id, wrapped[1].requester_vpc_id, wrapped[1].accepter_vpc_id
ORDER BY bytes DESC, peering_connection_id
