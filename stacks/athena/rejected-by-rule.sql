WITH files AS (
  SELECT
    rejected,
    -- Counts duplicate objects (same key and content) once.
    row_number() OVER (
      PARTITION BY sources[1].uri, coalesce(sources[1].etag, sources[1].version_id) ORDER BY sources[1].version_id
    ) AS copy
  FROM summaries
  WHERE "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')
),
rules AS (
  SELECT wrapped[1] AS found, rejected.by_cause_exact AS exact
  FROM files
  CROSS JOIN UNNEST(transform(rejected.by_rule, one -> ARRAY[one])) AS t (wrapped)
  WHERE copy = 1
)
SELECT
  found.kind AS kind,
  coalesce(found.id, array_join(found.ids, ', ')) AS ids,
  max(coalesce(found.name, array_join(map_values(found.names), ', '))) AS names,
  found.rule_number AS rule_number,
  found.direction AS direction,
  sum(found.flows) AS flows,
  sum(found.packets) AS packets,
  sum(found.bytes) AS bytes,
  count(*) AS files,
  bool_and(exact) AS exact
FROM rules
GROUP BY found.kind, found.id, found.ids, found.rule_number, found.direction
ORDER BY flows DESC, bytes DESC, kind, ids, rule_number, direction
LIMIT 100
