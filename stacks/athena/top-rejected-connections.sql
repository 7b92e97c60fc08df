WITH files AS (
  SELECT
    rejected,
    traffic,
    -- Counts duplicate objects (same key and content) once.
    row_number() OVER (
      PARTITION BY sources[1].uri, coalesce(sources[1].etag, sources[1].version_id) ORDER BY sources[1].version_id
    ) AS copy
  FROM summaries
  WHERE "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')
),
bounded AS (
  SELECT
    rejected,
    -- Maximum flows of a group in this file if the file does not list it.
    CASE
      WHEN rejected.exact AND rejected.group_count <= cardinality(rejected.groups) THEN 0
      ELSE coalesce(
        array_min(transform(rejected.groups, one -> one.flows)) + rejected.error_bound, traffic.rejected.flows
      )
    END AS unlisted
  FROM files
  WHERE copy = 1
),
weighted AS (
  SELECT rejected, unlisted, sum(unlisted) OVER () AS unlisted_in_all
  FROM bounded
),
listed AS (
  SELECT wrapped[1] AS found, rejected.error_bound AS error_bound, rejected.exact AS exact, unlisted, unlisted_in_all
  FROM weighted
  CROSS JOIN UNNEST(transform(rejected.groups, one -> ARRAY[one])) AS t (wrapped)
)
SELECT
  found.srcaddr AS srcaddr,
  max(found.src.name) AS src_name,
  found.dstaddr AS dstaddr,
  max(found.dst.name) AS dst_name,
  found.dstport AS dstport,
  max(found.protocol_name) AS protocol,
  max(found.service_name) AS service,
  found.interface_id AS interface_id,
  sum(found.flows) AS flows,
  sum(found.flows + error_bound) + max(unlisted_in_all) - sum(unlisted) AS flows_at_most,
  sum(coalesce(element_at(found.causes, 'network-acl'), 0)) AS network_acl,
  sum(coalesce(element_at(found.causes, 'security-group'), 0)) AS security_group,
  sum(coalesce(element_at(found.causes, 'rules-allow'), 0)) AS rules_allow,
  sum(coalesce(element_at(found.causes, 'security-group-or-network-acl'), 0)) AS security_group_or_network_acl,
  sum(found.packets) AS packets,
  sum(found.bytes) AS bytes,
  count(*) AS files,
  min(found.first_seen) AS first_seen,
  max(found.last_seen) AS last_seen,
  bool_and(exact) AS exact
FROM listed
GROUP BY found.interface_id, found.srcaddr, found.dstaddr, found.dstport, found.protocol
ORDER BY flows DESC, bytes DESC, srcaddr, dstaddr, dstport, interface_id, protocol
LIMIT 100
