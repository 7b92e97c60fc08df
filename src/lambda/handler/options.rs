//! Options of the analysis of an object.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::warn;

use crate::config::Config;
use crate::config::exceptions::Exceptions;
use crate::discovery::snapshot::SnapshotId;
use crate::lambda::settings::Settings;
use crate::lambda::snapshot_cache::Snapshot;
use crate::pipeline;
use crate::record::timestamp::Timestamp;
use crate::summary::Summary;
use crate::summary::build::SummaryOptions;
use crate::topology::Topology;

/// How to analyze an object: the settings, with one version of the configuration and of the topology.
#[derive(Debug, Clone)]
pub(super) struct AnalysisOptions {
    pub(super) pipeline: pipeline::Options,
    pub(super) summary: SummaryOptions,
    /// The snapshot that the topology is from.
    pub(super) snapshot: Option<SnapshotId>,
}

/// The expired exceptions that were logged, so that each is logged once and not with every object.
#[derive(Debug, Default)]
pub(super) struct LoggedExpiries(Mutex<BTreeSet<String>>);

impl LoggedExpiries {
    /// Logs the exceptions that have expired by the time of a summary's records.
    pub(super) fn log(&self, exceptions: &Exceptions, summary: &Summary) {
        let latest = summary.window.as_ref().and_then(|window| window.end.or(window.start)).map(Timestamp::seconds);
        for expired in exceptions.expired_at(latest) {
            let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(expired.clone());
            if is_new {
                warn!(exception = expired, "exception of the configuration has expired");
            }
        }
    }
}

impl AnalysisOptions {
    /// Combines the settings with the configuration and the topology. Without a configuration, its defaults apply.
    pub(super) fn new(
        settings: &Settings,
        config: Option<&Config>,
        topology: Option<Arc<Topology>>,
    ) -> AnalysisOptions {
        let Config { thresholds, limits, trusted_scanners, exceptions, log_formats } =
            config.cloned().unwrap_or_default();
        AnalysisOptions {
            pipeline: pipeline::Options { topology, limits, log_formats, ..settings.pipeline.clone() },
            summary: SummaryOptions { thresholds, trusted_scanners, exceptions, ..settings.summary.clone() },
            snapshot: None,
        }
    }

    /// Returns the same options with the topology of a snapshot.
    pub(super) fn with_snapshot(&self, snapshot: Snapshot) -> AnalysisOptions {
        let Snapshot { id, topology } = snapshot;
        let pipeline = pipeline::Options { topology: Some(topology), ..self.pipeline.clone() };
        AnalysisOptions { pipeline, snapshot: Some(id), summary: self.summary.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_completes_the_settings() {
        let variables = [("OUTPUT_BUCKET", "out"), ("TOP", "7"), ("MAX_LINES", "9")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::from_variables(variables).expect("settings");
        let toml = "port_scan_ports = 3\nmax_interfaces = 5\ntrusted_scanners = [\"10.0.9.0/24\"]\n\
                    [log_formats]\n\"s3://logs/\" = \"srcaddr\"";
        let config = Config::from_toml(toml).expect("valid");
        let AnalysisOptions { pipeline, summary, .. } = AnalysisOptions::new(&settings, Some(&config), None);
        assert_eq!((pipeline.max_lines, summary.max_listed_groups), (9, 7));
        assert_eq!((pipeline.limits, summary.thresholds), (config.limits, config.thresholds));
        assert_eq!(pipeline.log_formats, config.log_formats);
        assert_eq!(summary.trusted_scanners, config.trusted_scanners);
        let defaults = AnalysisOptions::new(&settings, None, None);
        assert_eq!((defaults.pipeline.limits, defaults.summary), (settings.pipeline.limits, settings.summary));
    }
}
