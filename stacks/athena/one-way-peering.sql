WITH files AS (
  SELECT
    peering,
    -- Counts duplicate objects (same key and content) once.
    row_number() OVER (
      PARTITION BY sources[1].uri, coalesce(sources[1].etag, sources[1].version_id) ORDER BY sources[1].version_id
    ) AS copy
  FROM summaries
  WHERE "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')
),
directions AS (
  SELECT
    wrapped[1].src_vpc_id AS src_vpc_id,
    wrapped[1].dst_vpc_id AS dst_vpc_id,
    max(wrapped[1].peering_connection_id) AS peering_connection_id,
    sum(wrapped[1].accepted.flows) AS flows,
    sum(wrapped[1].unanswered.flows) AS unanswered_flows,
    sum(wrapped[1].unanswered.bytes) AS unanswered_bytes,
    sum(wrapped[1].rejected.flows) AS rejected_flows,
    bool_and(peering.exact) AS exact
  FROM files
  CROSS JOIN UNNEST(transform(peering.vpc_pairs, one -> ARRAY[one])) AS t (wrapped)
  WHERE copy = 1
  GROUP BY wrapped[1].src_vpc_id, wrapped[1].dst_vpc_id
),
reported AS (
  SELECT subject.src_vpc_id AS src_vpc_id, subject.dst_vpc_id AS dst_vpc_id, max(id) AS finding_id
  FROM findings
  WHERE "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d') AND type = 'one-way-peering'
  GROUP BY subject.src_vpc_id, subject.dst_vpc_id
)
SELECT
  forward.src_vpc_id,
  forward.dst_vpc_id,
  forward.peering_connection_id,
  forward.flows,
  forward.unanswered_flows,
  round(100 * CAST(forward.unanswered_flows AS double) / CAST(forward.flows AS double), 1) AS unanswered_percent,
  forward.unanswered_bytes,
  forward.rejected_flows,
  coalesce(reverse.flows, 0) AS flows_back,
  reported.finding_id,
  forward.exact
FROM directions AS forward
LEFT JOIN directions AS reverse
  ON reverse.src_vpc_id = forward.dst_vpc_id
  AND reverse.dst_vpc_id = forward.src_vpc_id
LEFT JOIN reported ON reported.src_vpc_id = forward.src_vpc_id AND reported.dst_vpc_id = forward.dst_vpc_id
WHERE forward.unanswered_flows > 0
ORDER BY unanswered_percent DESC, forward.unanswered_flows DESC, forward.src_vpc_id, forward.dst_vpc_id
