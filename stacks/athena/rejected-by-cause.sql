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
parts AS (
  SELECT
    wrapped[1].interface_id AS interface_id,
    wrapped[1].vpc_id AS vpc_id,
    wrapped[1].subnet_id AS subnet_id,
    wrapped[1].flows AS flows,
    0 AS network_acl,
    0 AS security_group,
    0 AS rules_allow,
    0 AS security_group_or_network_acl,
    0 AS out_of_state,
    0 AS block_public_access,
    0 AS encryption_controls,
    rejected.exact AS exact
  FROM files
  CROSS JOIN UNNEST(transform(rejected.by_interface, one -> ARRAY[one])) AS t (wrapped)
  WHERE copy = 1
  UNION ALL
  SELECT
    wrapped[1].interface_id,
    NULL,
    NULL,
    0,
    coalesce(element_at(wrapped[1].causes, 'network-acl'), 0),
    coalesce(element_at(wrapped[1].causes, 'security-group'), 0),
    coalesce(element_at(wrapped[1].causes, 'rules-allow'), 0),
    coalesce(element_at(wrapped[1].causes, 'security-group-or-network-acl'), 0),
    coalesce(element_at(wrapped[1].causes, 'out-of-state'), 0),
    coalesce(element_at(wrapped[1].causes, 'block-public-access'), 0),
    coalesce(element_at(wrapped[1].causes, 'encryption-controls'), 0),
    rejected.exact
  FROM files
  CROSS JOIN UNNEST(transform(rejected.groups, one -> ARRAY[one])) AS t (wrapped)
  WHERE copy = 1
)
SELECT
  interface_id,
  max(vpc_id) AS vpc_id,
  max(subnet_id) AS subnet_id,
  sum(flows) AS flows,
  sum(network_acl) AS network_acl,
  sum(security_group) AS security_group,
  sum(rules_allow) AS rules_allow,
  sum(security_group_or_network_acl) AS security_group_or_network_acl,
  sum(out_of_state) AS out_of_state,
  sum(block_public_access) AS block_public_access,
  sum(encryption_controls) AS encryption_controls,
  sum(flows) - sum(
    network_acl + security_group + rules_allow + security_group_or_network_acl + out_of_state + block_public_access
    + encryption_controls
  ) AS unlisted,
  bool_and(exact) AS exact
FROM parts
GROUP BY interface_id
ORDER BY flows DESC, interface_id
LIMIT 100
