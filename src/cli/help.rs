//! Examples and exit statuses for `--help`. `-h` has the options alone.

/// Ends the short help of each command.
pub(super) const MORE: &str = "More and examples: --help";

pub(super) const PROGRAM: &str = "Examples:
  flowsentry analyze logs/                              What is rejected, where, and why
  flowsentry analyze --topology topology/ logs/         The same with names, rules, and VPC peering
  flowsentry explain --topology topology/ web-1 db-1:5432
                                                        Why web-1 cannot reach db-1
  flowsentry completions bash                           Completions for a shell

flowsentry COMMAND --help has the options and more examples.";

pub(super) const ANALYZE: &str = "Examples:
  flowsentry analyze logs/
  flowsentry analyze --topology topology/ logs/ 2026-11-23.log.gz
  flowsentry analyze --verbose --topology topology/ logs/ | less -R
  flowsentry analyze --topology topology/ --since 1h --interface eni-0a1b2c3d logs/
  flowsentry analyze --min-severity high --fail-on high logs/
  flowsentry analyze --format json logs/ | jq .findings
  zcat old.log.gz | flowsentry analyze --log-format '${version} ${srcaddr} ${dstaddr} ${action}' -

Logs in S3 are copied first: aws s3 sync s3://BUCKET/PREFIX/ logs/

Exit status: 0: all inputs were read; 1: at least one input failed (it is reported on stderr and excluded); 2: invalid usage or \
unreadable topology; 4: a finding of --fail-on, if all inputs were read.";

pub(super) const MERGE: &str = "The summary is that of one analyze over all inputs, if the partials are given in the order of the inputs.

Examples:
  flowsentry merge --topology topology/ 06.fspart 07.fspart
  flowsentry merge --topology topology/ --partial morning.fspart 06.fspart 07.fspart

Exit status: 0: all partials and their inputs were read; 1: at least one failed (it is reported on stderr and excluded); 2: invalid \
usage, unreadable topology, or a partial of another version, topology or configuration; 4: a finding of --fail-on, if everything was \
read.";

pub(super) const REPORT: &str = "Examples:
  flowsentry analyze --format json logs/ > today.json
  flowsentry report today.json
  flowsentry report --format html today.json > today.html
  flowsentry report --fail-on high today.json
  aws s3 cp s3://my-output/flowsentry/summaries/… - | flowsentry report -

Exit status: 0; 1: findings may be missing from the summary: this version does not know some, or --fail-on cannot be decided (it is \
reported on stderr); 2: invalid usage, or a summary that cannot be read; 4: a finding of --fail-on.";

pub(super) const DIFF: &str = "Examples:
  flowsentry diff yesterday.json today.json
  flowsentry diff --format html yesterday.json today.json > diff.html
  flowsentry diff --format json yesterday.json today.json | jq -r '.findings.new[].title'
  flowsentry analyze --format json logs/ | flowsentry diff yesterday.json -

Exit status: 0: no finding is new or has a higher severity; 1: at least one, which the configuration does not suppress; 2: invalid \
usage, or a summary that cannot be read.";

pub(super) const TOP: &str = "Examples:
  flowsentry top logs/
  zcat old.log.gz | flowsentry top -
  flowsentry top --format json today.json | jq -r '.talkers[] | [.srcaddr, .dstaddr, .accepted.bytes] | @tsv'

Exit status: 0; 1: at least one flow log could not be read; 2: invalid usage, unreadable topology, or a summary that cannot be read.";

pub(super) const TIMELINE: &str = "Examples:
  flowsentry timeline logs/
  flowsentry timeline --rows 24 today.json

Exit status: 0; 1: at least one flow log could not be read; 2: invalid usage, unreadable topology, or a summary that cannot be read.";

pub(super) const PLAN: &str = "Examples:
  flowsentry plan --from 2026-11-23T06:00:00Z --to 2026-11-23T07:00:00Z --output plan/ logs/
  aws s3api list-objects-v2 --bucket my-flow-logs --prefix AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/11/23/ \\
    | flowsentry plan --bucket my-flow-logs --output plan/ --listing -
  flowsentry analyze --inputs-from plan/batches/00000.txt --partial 00000.fspart --close

Exit status: 0: the plan has all inputs, or names them as skipped; 1: at least one input cannot be planned (it is reported on \
stderr), or the plan cannot be written; 2: invalid usage, or an incomplete listing.";

pub(super) const EXPLAIN: &str = "Examples:
  flowsentry explain --topology topology/ web-1 10.2.1.5:5432
  flowsentry explain --topology topology/ eni-0a1b2c3d i-0123456789abcdef0:443 logs/
  flowsentry explain --topology topology/ 10.1.1.5 internet:443
  flowsentry explain --topology topology/ --protocol icmp 2600:1f18::5 2600:1f19::5
  flowsentry explain --topology topology/ --format html web-1 db-1:5432 logs/ > path.html
  flowsentry explain --topology topology/ --format json web-1 '[2600:1f19::5]:443'

Exit status: 0: reachable; 1: blocked; 3: unknown, because the topology does not have everything that decides; 2: invalid usage \
or unreadable topology.";

#[cfg(feature = "aws")]
pub(super) const FETCH: &str = "Credentials are those of the AWS CLI: environment variables, a profile, or the role of the machine. They need \
ec2:DescribeVpcs, DescribeSubnets, DescribeVpcPeeringConnections, DescribeNetworkInterfaces, DescribeRouteTables, \
DescribeSecurityGroups, DescribeNetworkAcls, DescribePrefixLists, DescribeManagedPrefixLists and \
GetManagedPrefixListEntries, and for other accounts sts:AssumeRole.

Examples:
  flowsentry topology fetch --regions eu-west-1,us-east-1 --to topology/
  flowsentry topology fetch --regions eu-west-1 --accounts 111122223333 --role-name flowsentry-topology-reader --to topology/

Exit status: 0: everything was described; 1: an account and Region was not, and its last document is kept; 2: invalid usage or no \
credentials.";

pub(super) const CHECK: &str = "Examples:
  flowsentry topology check topology/
  flowsentry topology check --format json topology/ | jq '.findings[].title'

Exit status: 0: no finding of medium or high severity; 1: at least one; 2: invalid usage or unreadable topology.";

pub(super) const COMPLETIONS: &str = "Examples:
  flowsentry completions bash > ~/.local/share/bash-completion/completions/flowsentry
  flowsentry completions zsh > ~/.zfunc/_flowsentry
  flowsentry completions fish > ~/.config/fish/completions/flowsentry.fish
  flowsentry completions powershell >> $PROFILE";

pub(super) const MAN: &str = "Examples:
  flowsentry man | man -l -
  flowsentry man --to ~/.local/share/man/man1";
