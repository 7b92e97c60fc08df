WITH reported AS (
  SELECT DISTINCT
    -- Removes the fingerprint, so that duplicate objects (same key and content) count once.
    regexp_replace("$path", '-[0-9a-f]{32}[.]ndjson$', '') AS file,
    id, type, severity, subject, details, flows, packets, bytes, first_seen, last_seen, exact
  FROM findings
  WHERE
    "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')
    AND type IN ('transitive-peering', 'edge-to-edge-routing')
)
SELECT
  type,
  subject.src_vpc_id AS src_vpc_id,
  subject.dst_vpc_id AS dst_vpc_id,
  subject.dst_scope AS dst_scope,
  array_sort(array_distinct(flatten(array_agg(coalesce(details.via_vpc_ids, ARRAY[]))))) AS via_vpc_ids,
  sum(flows) AS flows,
  sum(packets) AS packets,
  sum(bytes) AS bytes,
  count(DISTINCT file) AS files,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen,
  id,
  bool_and(exact) AS exact
FROM reported
GROUP BY id, type, subject.src_vpc_id, subject.dst_vpc_id, subject.dst_scope
ORDER BY flows DESC, id
