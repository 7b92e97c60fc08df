//! Reads documents from S3, the topology or the configuration, and skips them if their ETags did not change.
//!
//! This file downloads documents of any kind, [`content`] parses them, and [`error`] has the errors.

pub mod content;
pub mod error;

use std::collections::BTreeMap;
use std::io::Read;

use aws_sdk_s3::Client;

use self::content::Content;
use self::error::{DocumentsError, MAX_DOCUMENTS};
use super::download::Body;
use super::s3::{self, ListedObject, Object};
use crate::lambda::document_uri::{DocumentLocation, DocumentUri};
use crate::lambda::event::ObjectReference;

/// The ETags of the documents, by key. Equal ETags mean that the documents did not change.
pub type Etags = BTreeMap<String, Option<String>>;

/// What documents contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// The topology, AWS's describe output.
    Topology,
    /// The configuration, with thresholds and limits.
    Config,
}

impl DocumentKind {
    /// Returns the name in messages and log lines.
    pub fn name(self) -> &'static str {
        match self {
            DocumentKind::Topology => "topology",
            DocumentKind::Config => "configuration",
        }
    }

    /// Returns the maximum size of all documents together. For the topology, it is ten times the describe output of about
    /// 10,000 interfaces; for the configuration, it is room for ten thousands of scanners.
    pub(super) fn max_bytes(self) -> u64 {
        match self {
            DocumentKind::Topology => 256 << 20,
            DocumentKind::Config => 1 << 20,
        }
    }
}

/// Parsed documents, and the versions that they were parsed from.
#[derive(Debug)]
pub struct Loaded<C> {
    /// The result of parsing.
    pub content: C,
    /// The ETags of the versions that were read.
    pub etags: Etags,
}

impl<C: Content> Loaded<C> {
    /// Logs that the documents were loaded.
    pub fn log(&self, uri: &DocumentUri) {
        self.content.log_loaded(uri, &self.etags);
    }
}

/// Reads the documents.
///
/// # Errors
/// If a document can't be read, or the documents can't be used.
pub async fn read<C: Content>(client: &Client, uri: &DocumentUri) -> Result<Loaded<C>, DocumentsError> {
    match &uri.location {
        DocumentLocation::Document(key) => read_all(client, uri, [key]).await,
        DocumentLocation::Folder(folder) => read_all(client, uri, list::<C>(client, uri, folder).await?.keys()).await,
    }
}

/// Reads the documents. Returns `None` if their ETags are the known ones. If one document of a folder changed, this reads
/// all of them.
///
/// # Errors
/// The same as of [`read`].
pub async fn read_if_changed<C: Content>(
    client: &Client,
    uri: &DocumentUri,
    known: &Etags,
) -> Result<Option<Loaded<C>>, DocumentsError> {
    match &uri.location {
        DocumentLocation::Document(key) => {
            let Some(Some(etag)) = known.get(key) else { return read(client, uri).await.map(Some) };
            match s3::get_if_changed(client, &reference(uri, key), etag).await? {
                Some(object) => Documents::default().add_object(client, uri, object).await?.build(uri).map(Some),
                None => Ok(None),
            }
        }
        DocumentLocation::Folder(folder) => {
            let listed = list::<C>(client, uri, folder).await?;
            let is_known = listed == *known && listed.values().all(Option::is_some);
            if is_known { Ok(None) } else { read_all(client, uri, listed.keys()).await.map(Some) }
        }
    }
}

async fn read_all<C: Content>(
    client: &Client,
    uri: &DocumentUri,
    keys: impl IntoIterator<Item = &String>,
) -> Result<Loaded<C>, DocumentsError> {
    let mut documents = Documents::default();
    for key in keys {
        let object = s3::get(client, &reference(uri, key)).await?;
        documents = documents.add_object(client, uri, object).await?;
    }
    documents.build(uri)
}

/// Lists the documents of a folder.
async fn list<C: Content>(client: &Client, uri: &DocumentUri, folder: &str) -> Result<Etags, DocumentsError> {
    let mut etags = Etags::new();
    let mut total = 0;
    s3::list(client, &uri.bucket, folder, |ListedObject { key, etag, bytes, .. }| {
        if uri.matches(&key) {
            total = checked_total(C::KIND, uri, total, bytes)?;
            etags.insert(key, etag);
        }
        if etags.len() > MAX_DOCUMENTS { Err(DocumentsError::TooMany { uri: uri.to_string() }) } else { Ok(()) }
    })
    .await?;
    if etags.is_empty() { Err(DocumentsError::Missing { uri: uri.to_string() }) } else { Ok(etags) }
}

/// The documents that were read so far.
#[derive(Debug)]
struct Documents<C: Content> {
    parts: C::Parts,
    /// The ETags of the versions that were read.
    etags: Etags,
    /// Total size.
    bytes: u64,
}

impl<C: Content> Default for Documents<C> {
    fn default() -> Documents<C> {
        Documents { parts: C::Parts::default(), etags: Etags::new(), bytes: 0 }
    }
}

impl<C: Content> Documents<C> {
    /// Adds a document, and parses it on a blocking thread. Keeps the ETag of the response, because the document may have
    /// been replaced since it was listed.
    async fn add_object(
        mut self,
        client: &Client,
        uri: &DocumentUri,
        object: Object,
    ) -> Result<Documents<C>, DocumentsError> {
        let key = object.identity.key.clone();
        self.etags.insert(key.clone(), object.identity.etag.clone());
        let (document, location) = (uri.object_uri(&key), uri.clone());
        let reader = Body::download(object, client.clone(), reference(uri, &key));
        let _guard = reader.cancel_on_drop();
        match tokio::task::spawn_blocking(move || self.read(&location, &key, reader)).await {
            Ok(result) => result,
            Err(source) => Err(DocumentsError::Panicked { uri: document, source }),
        }
    }

    fn read(mut self, uri: &DocumentUri, key: &str, reader: impl Read) -> Result<Documents<C>, DocumentsError> {
        let document = uri.object_uri(key);
        let mut content = Vec::new();
        let read = reader.take(C::KIND.max_bytes() - self.bytes + 1).read_to_end(&mut content);
        read.map_err(|source| DocumentsError::ReadFailed { uri: document.clone(), source })?;
        self.bytes = checked_total(C::KIND, uri, self.bytes, content.len() as u64)?;
        C::add(&mut self.parts, &document, &content)?;
        Ok(self)
    }

    fn build(self, uri: &DocumentUri) -> Result<Loaded<C>, DocumentsError> {
        Ok(Loaded { content: C::build(self.parts, uri)?, etags: self.etags })
    }
}

/// Adds to the total size, within the limit.
fn checked_total(kind: DocumentKind, uri: &DocumentUri, total: u64, bytes: u64) -> Result<u64, DocumentsError> {
    let sum = total.saturating_add(bytes);
    if sum > kind.max_bytes() { Err(DocumentsError::TooLarge { kind, uri: uri.to_string() }) } else { Ok(sum) }
}

fn reference(uri: &DocumentUri, key: &str) -> ObjectReference {
    ObjectReference::latest(&uri.bucket, key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::topology::Topology;

    fn read<C: Content>(uri: &DocumentUri, documents: &[(&str, &[u8])]) -> Result<C, String> {
        let mut read = Ok(Documents::<C>::default());
        for (key, content) in documents {
            read = read.and_then(|all| all.read(uri, key, *content));
        }
        let loaded = read.and_then(|documents| documents.build(uri));
        loaded.map(|loaded| loaded.content).map_err(|error| format!("{}: {error}", error.code()))
    }

    fn topology(documents: &[(&str, &str)]) -> Result<Topology, String> {
        let uri = DocumentUri::parse_topology("s3://inventory/vpc/").expect("a URI");
        let bytes: Vec<(&str, &[u8])> = documents.iter().map(|(key, json)| (*key, json.as_bytes())).collect();
        read(&uri, &bytes)
    }

    fn config(toml: &[u8]) -> Result<Config, String> {
        let uri = DocumentUri::parse_config("s3://inventory/a.toml").expect("a URI");
        read(&uri, &[("a.toml", toml)])
    }

    #[test]
    fn usable_documents_are_read() {
        let vpc = r#"{"Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}]}"#;
        let read = topology(&[("vpc/a.json", vpc), ("vpc/b.json", "{}")]).expect("a VPC");
        assert_eq!(&*read.resources().origins["vpc-a"], "s3://inventory/vpc/a.json");
        assert_eq!(read.problems().len(), 1);
        assert!(topology(&[("vpc/a.json", r#"{"Vpcs": []}"#)]).is_ok(), "an account may have no VPC");
    }

    #[test]
    fn unusable_documents_are_an_error() {
        let error = |documents| topology(documents).expect_err("unusable");
        let not_json = error(&[("vpc/a.json", r#"{"Vpcs": []}"#), ("vpc/b.json", "")]);
        assert!(not_json.starts_with("topology_not_json: s3://inventory/vpc/b.json: not JSON: "), "{not_json}");
        let unusable = error(&[("vpc/a.json", "{}")]);
        assert!(unusable.starts_with("topology_unusable: no usable resources in s3://inventory/vpc/: "), "{unusable}");
    }

    #[test]
    fn documents_have_a_total_size_limit() {
        let uri = DocumentUri::parse_topology("s3://inventory/vpc/").expect("a URI");
        let max_bytes = DocumentKind::Topology.max_bytes();
        let almost_full = || Documents::<Topology> { bytes: max_bytes - 2, ..Documents::default() };
        assert_eq!(almost_full().read(&uri, "a", &b"{}"[..]).expect("it fits").bytes, max_bytes);
        let error = almost_full().read(&uri, "a", &b"{} "[..]).expect_err("too large");
        assert_eq!(error.to_string(), "s3://inventory/vpc/ exceeds 268435456 bytes in total");
    }

    #[test]
    fn a_configuration_is_the_toml_of_the_command_line() {
        let toml = b"port_scan_ports = 3\nmax_interfaces = 7\n";
        let expected = Config::from_toml("port_scan_ports = 3\nmax_interfaces = 7\n").expect("valid");
        assert_eq!(config(toml), Ok(expected));
        assert_eq!(config(b""), Ok(Config::default()), "an empty file has the defaults");
    }

    #[test]
    fn an_invalid_configuration_names_what_is_allowed() {
        let error = |toml: &[u8]| config(toml).expect_err("invalid");
        let value = error(b"port_scan_ports = 0");
        let expected = "config_invalid: s3://inventory/a.toml: port_scan_ports is \"0\", but must be an integer from 1";
        assert!(value.starts_with(expected), "{value}");
        let name = error(b"port_scan_port = 1");
        assert!(name.contains("\"port_scan_port\"") && name.contains("port_scan_ports, host_sweep_hosts"), "{name}");
        assert_eq!(error(b"# \xFF"), "config_invalid: s3://inventory/a.toml is not UTF-8 text after byte 2");
        let comment = |bytes: usize| [b"#".repeat(bytes - 1), b"\n".to_vec()].concat();
        assert_eq!(config(&comment(1 << 20)), Ok(Config::default()));
        assert_eq!(
            error(&comment((1 << 20) + 1)),
            "config_too_large: s3://inventory/a.toml exceeds 1048576 bytes in total"
        );
    }
}
