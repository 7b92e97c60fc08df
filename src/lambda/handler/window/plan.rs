//! Plans a run: lists the objects of the window, divides them into parts, and stores the lists.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::{WindowError, WindowRun, log_done};
use crate::lambda::aws::s3::{self, ListedObject, PutOutcome};
use crate::lambda::event::{EarlierRun, ObjectReference, PlanRequest, RunReference};
use crate::lambda::handler::escape;
use crate::lambda::handler::response::HandlerResponse;
use crate::lambda::settings::Source;
use crate::lambda::window::keys::{self, RunFolder, WindowFolder};
use crate::lambda::window::manifest::{Manifest, Revision, SCHEMA, hash, levels};
use crate::lambda::window::request::{NamedWindow, plan_options};
use crate::lambda::window::{folders, pattern};
use crate::partial::FORMAT_VERSION;
use crate::plan::{self, LogObject, Plan, Planner, SkipReason, Window};

/// The folder in which AWS stores logs.
const AWS_LOGS: &str = "AWSLogs/";
/// Number of lists that are stored at the same time.
const CONCURRENT_PUTS: usize = 32;
/// How often another run may store its manifest before this one does.
const MAX_CONCURRENT_RUNS: usize = 5;

/// A bucket, and the prefix of the keys of its flow logs.
struct LogLocation {
    bucket: String,
    prefix: String,
}

/// A listing of the objects of a window.
struct Listing<'a> {
    planner: Planner,
    key_pattern: Option<&'a str>,
    window: Window,
}

impl WindowRun<'_> {
    /// Plans the run of a window. If nothing has changed since its latest revision, returns that.
    pub(super) async fn plan(
        &self,
        request: &PlanRequest,
        key_pattern: Option<&str>,
    ) -> Result<HandlerResponse, WindowError> {
        let named = NamedWindow::from_request(request)?;
        let locations = self.locations(request.sources.as_deref())?;
        let folder = WindowFolder::new(&self.handler.settings.output_prefix, &named.name, named.window);
        for _ in 0..MAX_CONCURRENT_RUNS {
            // Again after each conflict: an older list must not get a higher number.
            let planner = Planner::new(plan_options(request), named.window);
            let listing = Listing { planner, key_pattern, window: named.window };
            let (plan, unlisted) = self.list(listing, &locations).await?;
            let inputs = self.inputs(&plan, &locations);
            let latest = self.latest(&folder).await?;
            let may_have_more = match &latest {
                Some(latest) => self.may_have_more(&folder.manifest(latest.revision)).await?,
                None => false,
            };
            let (number, run_id, again) = match (Revision::choose(latest.as_ref(), may_have_more, &inputs), latest) {
                (Revision::Latest, Some(latest)) => {
                    let (key, run) = (folder.manifest(latest.revision), self.folder(&latest.run)?);
                    if !self.has_lists(&run, &latest).await? {
                        self.put_lists(&run, &plan).await?;
                    }
                    log_done("plan", "already_planned", &key);
                    return Ok(self.response(key, &latest));
                }
                (Revision::New { number, run_id, is_again }, latest) => {
                    let earlier = latest
                        .filter(|_| is_again)
                        .map(|latest| EarlierRun { manifest: folder.manifest(latest.revision), folder: latest.run });
                    (number, run_id, earlier)
                }
                (Revision::Latest, None) => (1, inputs.clone(), None),
            };
            let run = folder.run(&run_id);
            let draft = Draft {
                named: &named,
                locations: &locations,
                plan: &plan,
                unlisted: &unlisted,
                inputs: &inputs,
                again,
            };
            let manifest = draft.manifest(number, &run);
            self.put_lists(&run, &plan).await?;
            let key = folder.manifest(number);
            if self.put_json(&key, &manifest).await? == PutOutcome::Stored {
                log_done("plan", "planned", &key);
                return Ok(self.response(key, &manifest));
            }
        }
        Err(WindowError::Failed(super::ProcessingError::Conflict { key: folder.manifests().to_owned() }))
    }

    /// Returns where to look for objects: what the request names, if that is allowed, or else all that is allowed.
    fn locations(&self, requested: Option<&[String]>) -> Result<Vec<LogLocation>, WindowError> {
        let allowed = self.handler.settings.allowed_sources.iter().filter_map(|source| match source {
            Source::Objects { bucket, prefix } => Some((bucket, prefix)),
            Source::LogEvents { .. } => None,
        });
        let allowed: Vec<_> = allowed.collect();
        let Some(requested) = requested else {
            if allowed.is_empty() {
                let message = "no sources: the input has none, and ALLOWED_SOURCES is not set".to_owned();
                return Err(WindowError::Invalid(message));
            }
            let location =
                |(bucket, prefix): (&String, &String)| LogLocation { bucket: bucket.clone(), prefix: prefix.clone() };
            return Ok(allowed.into_iter().map(location).collect());
        };
        let parse = |text: &String| {
            let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
            let is_allowed =
                |(name, beginning): &(&String, &String)| **name == bucket && prefix.starts_with(beginning.as_str());
            if bucket.is_empty() || !(allowed.is_empty() || allowed.iter().any(is_allowed)) {
                let source = escape(text);
                return Err(WindowError::Invalid(format!(
                    "source {source} is not one of ALLOWED_SOURCES: bucket/prefix"
                )));
            }
            Ok(LogLocation { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
        };
        if requested.is_empty() {
            return Err(WindowError::Invalid("sources is an empty list; leave it out to read all sources".to_owned()));
        }
        requested.iter().map(parse).collect()
    }

    /// Lists the objects of the window. Returns the folders that were not listed, too.
    async fn list(
        &self,
        mut listing: Listing<'_>,
        locations: &[LogLocation],
    ) -> Result<(Plan, Vec<String>), WindowError> {
        let mut unlisted = Vec::new();
        for LogLocation { bucket, prefix } in locations {
            match aws_logs_folder(prefix) {
                Some(root) => unlisted.extend(self.list_aws_logs(bucket, root, prefix, &mut listing).await?),
                None => unlisted.extend(self.list_other(bucket, prefix, &mut listing).await?),
            }
        }
        Ok((listing.planner.finish(), unlisted))
    }

    /// Lists a prefix that does not end in or below `AWSLogs/`: as a whole, apart from such a folder.
    async fn list_other(
        &self,
        bucket: &str,
        prefix: &str,
        listing: &mut Listing<'_>,
    ) -> Result<Vec<String>, WindowError> {
        let (objects, folders) = s3::list_folder(&self.handler.clients.s3, bucket, prefix).await?;
        objects.into_iter().for_each(|object| self.add(listing, bucket, object));
        let mut unlisted = Vec::new();
        for folder in folders {
            if folder.strip_prefix(prefix) == Some(AWS_LOGS) {
                unlisted.extend(self.list_aws_logs(bucket, &folder, &folder, listing).await?);
            } else {
                self.list_all(bucket, &folder, listing).await?;
            }
        }
        Ok(unlisted)
    }

    /// Lists the accounts below a folder `AWSLogs/`, or one folder deeper, such as those of a Firehose stream. Returns the other folders.
    async fn list_aws_logs(
        &self,
        bucket: &str,
        root: &str,
        within: &str,
        listing: &mut Listing<'_>,
    ) -> Result<Vec<String>, WindowError> {
        let mut unlisted = Vec::new();
        for folder in self.list_accounts(bucket, root, within, listing).await? {
            let others = self.list_accounts(bucket, &folder, within, listing).await?;
            unlisted.extend(others.iter().map(|other| ObjectReference::latest(bucket, other).uri()));
        }
        Ok(unlisted)
    }

    /// Lists the objects of a folder, and the days of the window for each account and Region below it, as far as they are within a prefix.
    /// Returns the other folders.
    async fn list_accounts(
        &self,
        bucket: &str,
        root: &str,
        within: &str,
        listing: &mut Listing<'_>,
    ) -> Result<Vec<String>, WindowError> {
        let client = &self.handler.clients.s3;
        let (objects, below) = s3::list_folder(client, bucket, root).await?;
        objects
            .into_iter()
            .filter(|object| object.key.starts_with(within))
            .for_each(|object| self.add(listing, bucket, object));
        let mut unlisted = Vec::new();
        let mut pairs = BTreeSet::new();
        let overlaps = |prefix: &String| prefix.starts_with(within) || within.starts_with(prefix.as_str());
        for folder in below.into_iter().filter(overlaps) {
            let Some(account) = folders::account(&folder) else {
                unlisted.push(folder);
                continue;
            };
            for service in folders::SERVICE_FOLDERS {
                let (_, regions) = s3::list_folder(client, bucket, &format!("{folder}{service}")).await?;
                let regions = regions.iter().filter_map(|region| folders::region(region));
                pairs.extend(regions.map(|region| (account.to_owned(), region.to_owned())));
            }
        }
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(account, region)| (account.as_str(), region.as_str())).collect();
        for prefix in plan::listing_prefixes(AWS_LOGS, &pairs, listing.window) {
            let below = prefix.strip_prefix(AWS_LOGS).unwrap_or(&prefix);
            let prefix = format!("{root}{below}");
            if overlaps(&prefix) {
                let longest = if within.len() > prefix.len() { within } else { prefix.as_str() };
                self.list_all(bucket, longest, listing).await?;
            }
        }
        Ok(unlisted)
    }

    async fn list_all(&self, bucket: &str, prefix: &str, listing: &mut Listing<'_>) -> Result<(), WindowError> {
        let take = |object| {
            self.add(listing, bucket, object);
            Ok(())
        };
        s3::list(&self.handler.clients.s3, bucket, prefix, take).await
    }

    /// Adds an object, unless its key has another pattern, or it is one of the outputs.
    fn add(&self, listing: &mut Listing<'_>, bucket: &str, object: ListedObject) {
        let settings = &self.handler.settings;
        let ListedObject { key, etag, bytes, .. } = object;
        let is_output = bucket == settings.output_bucket && key.starts_with(&settings.output_prefix);
        if !is_output && listing.key_pattern.is_none_or(|pattern| pattern::matches(pattern, &key)) {
            listing.planner.add(LogObject { bucket: Some(bucket.to_owned()), key, bytes, etag });
        }
    }

    /// Returns the hash of all that the report depends on.
    fn inputs(&self, plan: &Plan, locations: &[LogLocation]) -> String {
        let listed = self.options.summary.max_listed_groups;
        let versions = format!("{} {FORMAT_VERSION} {listed}", env!("CARGO_PKG_VERSION"));
        hash(&[&plan.fingerprint, &sources(locations).join(" "), &self.settings_name(), &versions])
    }

    /// Reads the manifest of the latest revision.
    async fn latest(&self, folder: &WindowFolder) -> Result<Option<Manifest>, WindowError> {
        let settings = &self.handler.settings;
        let mut latest = None;
        let take = |object: ListedObject| {
            latest = latest.max(folder.revision(&object.key));
            Ok(())
        };
        s3::list::<WindowError>(&self.handler.clients.s3, &settings.output_bucket, folder.manifests(), take).await?;
        match latest {
            Some(revision) => self.read_json(&folder.manifest(revision)).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reports whether a revision lacks objects that may be read now.
    async fn may_have_more(&self, manifest: &str) -> Result<bool, WindowError> {
        let bucket = &self.handler.settings.output_bucket;
        let (marks, _) = s3::list_folder(&self.handler.clients.s3, bucket, &keys::retry_folder(manifest)).await?;
        Ok(!marks.is_empty())
    }

    /// Reports whether the lists of a run exist. They expire before the manifest does, one a little after another.
    async fn has_lists(&self, run: &RunFolder, manifest: &Manifest) -> Result<bool, WindowError> {
        let Some(last) = manifest.parts.first().and_then(|batches| batches.checked_sub(1)) else { return Ok(true) };
        Ok(self.exists(&run.level(0)).await?
            && self.exists(&run.batch(0)).await?
            && self.exists(&run.batch(last)).await?)
    }

    /// Stores the lists of objects and of parts.
    async fn put_lists(&self, run: &RunFolder, plan: &Plan) -> Result<(), WindowError> {
        let batches =
            (0..).zip(&plan.batches).map(|(part, batch)| async move { self.put_json(&run.batch(part), batch).await });
        stream::iter(batches).buffer_unordered(CONCURRENT_PUTS).try_collect::<Vec<_>>().await?;
        // The first level comes last: if it exists, all lists do.
        for (level, parts) in (0..).zip(levels(plan)).collect::<Vec<_>>().into_iter().rev() {
            self.put_json(&run.level(level), &parts).await?;
        }
        Ok(())
    }

    fn response(&self, key: String, manifest: &Manifest) -> HandlerResponse {
        HandlerResponse::Window(RunReference {
            manifest: key,
            folder: manifest.run.clone(),
            context: self.settings_name(),
            from: manifest.from.clone(),
            levels: u32::try_from(manifest.parts.len()).unwrap_or(u32::MAX),
            again: manifest.again.clone(),
        })
    }
}

/// What a manifest is made from.
struct Draft<'a> {
    named: &'a NamedWindow,
    locations: &'a [LogLocation],
    plan: &'a Plan,
    unlisted: &'a [String],
    inputs: &'a str,
    again: Option<EarlierRun>,
}

impl Draft<'_> {
    /// Creates the manifest of a revision.
    fn manifest(&self, revision: u32, run: &RunFolder) -> Manifest {
        let Draft { named: NamedWindow { name, window }, locations, plan, unlisted, inputs, again } = self;
        let mut skipped = plan.skipped.clone();
        // How many objects of other times a listing has is chance.
        skipped.remove(&SkipReason::OutsideWindow);
        Manifest {
            schema: SCHEMA.to_owned(),
            name: name.clone(),
            from: window.from.to_string(),
            to: window.to.to_string(),
            revision,
            sources: sources(locations),
            objects: plan.objects() as u64,
            bytes: plan.bytes(),
            skipped,
            unlisted_folders: unlisted.to_vec(),
            inputs: (*inputs).to_owned(),
            run: run.as_str().to_owned(),
            parts: levels(plan).iter().map(|parts| u32::try_from(parts.len()).unwrap_or(u32::MAX)).collect(),
            again: again.clone(),
        }
    }
}

/// Returns the folder `AWSLogs/` that a prefix is, or is in.
fn aws_logs_folder(prefix: &str) -> Option<&str> {
    let (before, _) = prefix.split_once(AWS_LOGS)?;
    let is_folder = before.is_empty() || before.ends_with('/');
    prefix.get(..before.len() + AWS_LOGS.len()).filter(|_| is_folder)
}

fn sources(locations: &[LogLocation]) -> Vec<String> {
    locations.iter().map(|LogLocation { bucket, prefix }| format!("{bucket}/{prefix}")).collect()
}
