//! Parses documents into a topology or a configuration.

use std::fmt::Debug;

use tracing::{info, warn};

use super::error::DocumentsError;
use super::{DocumentKind, Etags};
use crate::config::Config;
use crate::lambda::document_uri::DocumentUri;
use crate::sanitize::truncate_chars;
use crate::topology::Topology;
use crate::topology::describe_output::Resources;

/// Maximum number of problems to log each time a topology is loaded.
const MAX_LOGGED_PROBLEMS: usize = 10;
/// Maximum length of a logged problem, in characters.
const MAX_PROBLEM_CHARACTERS: usize = 500;

/// The result of parsing documents.
pub trait Content: Sized + Debug + Send + Sync + 'static {
    /// The kind of the documents.
    const KIND: DocumentKind;
    /// The state between the documents of a folder.
    type Parts: Debug + Default + Send + 'static;

    /// Parses one document, and adds it.
    ///
    /// # Errors
    /// If the document is invalid.
    fn add(parts: &mut Self::Parts, document: &str, bytes: &[u8]) -> Result<(), DocumentsError>;

    /// Builds the result from all documents.
    ///
    /// # Errors
    /// If the documents can't be used.
    fn build(parts: Self::Parts, uri: &DocumentUri) -> Result<Self, DocumentsError>;

    /// Logs that the documents were loaded.
    fn log_loaded(&self, uri: &DocumentUri, etags: &Etags);
}

impl Content for Topology {
    const KIND: DocumentKind = DocumentKind::Topology;
    type Parts = Resources;

    fn add(resources: &mut Resources, document: &str, bytes: &[u8]) -> Result<(), DocumentsError> {
        Ok(resources.read(document, bytes)?)
    }

    /// Returns an error if there are problems and no usable resource: an older topology is better then. Invalid resources
    /// next to valid ones are only reported.
    fn build(resources: Resources, uri: &DocumentUri) -> Result<Topology, DocumentsError> {
        match resources.problems.first() {
            Some(problem) if resources.origins.is_empty() => {
                Err(DocumentsError::Unusable { uri: uri.to_string(), problem: problem.to_string() })
            }
            _ => Ok(Topology::new(resources)),
        }
    }

    /// Logs the size of the topology, and the first of its problems.
    fn log_loaded(&self, uri: &DocumentUri, etags: &Etags) {
        let (documents, vpcs) = (etags.len(), self.vpcs().count());
        let peering_connections = self.resources().peering_connections.len();
        let problems = self.problems();
        let uri = uri.to_string();
        info!(uri, documents, vpcs, peering_connections, problems = problems.len(), "topology loaded");
        for problem in problems.iter().take(MAX_LOGGED_PROBLEMS) {
            let problem = problem.to_string();
            warn!(problem = truncate_chars(&problem, MAX_PROBLEM_CHARACTERS), "topology problem");
        }
    }
}

impl Content for Config {
    const KIND: DocumentKind = DocumentKind::Config;
    /// There is one document.
    type Parts = Config;

    fn add(config: &mut Config, document: &str, bytes: &[u8]) -> Result<(), DocumentsError> {
        let uri = document.to_owned();
        match std::str::from_utf8(bytes) {
            Ok(text) => match Config::from_toml(text) {
                Ok(read) => *config = read,
                Err(source) => return Err(DocumentsError::InvalidConfig { uri, source }),
            },
            Err(error) => return Err(DocumentsError::NotText { uri, valid_up_to: error.valid_up_to() }),
        }
        Ok(())
    }

    fn build(config: Config, _: &DocumentUri) -> Result<Config, DocumentsError> {
        Ok(config)
    }

    fn log_loaded(&self, uri: &DocumentUri, etags: &Etags) {
        let etag = etags.values().flatten().next();
        info!(uri = uri.to_string(), etag, "configuration loaded");
    }
}
