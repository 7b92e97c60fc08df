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

pub(super) const CHECK: &str = "Examples:
  flowsentry topology check topology/
  flowsentry topology check --format json topology/ | jq '.findings[].title'

Exit status: 0: no finding of medium or high severity; 1: at least one; 2: invalid usage or unreadable topology.";

pub(super) const COMPLETIONS: &str = "Examples:
  flowsentry completions bash > ~/.local/share/bash-completion/completions/flowsentry
  flowsentry completions zsh > ~/.zfunc/_flowsentry
  flowsentry completions fish > ~/.config/fish/completions/flowsentry.fish
  flowsentry completions powershell >> $PROFILE";
