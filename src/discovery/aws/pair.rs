//! Describes the network of one account and Region.

use serde_json::Value;

use super::client::{CallError, Client};
use crate::discovery::actions::{self, Action};
use crate::discovery::document::{self, Document, DocumentBuilder};
use crate::discovery::snapshot::PairError;

/// Maximum number of pages of one list.
const MAX_PAGES: usize = 1000;

/// Makes all describe calls, and builds the document.
///
/// # Errors
/// If a call fails. Only blocks of a prefix list may be missing: AWS does not return those of every list.
pub(super) async fn describe(client: &Client<'_>) -> Result<Document, PairError> {
    let mut builder = DocumentBuilder::default();
    for action in &actions::RESOURCES {
        builder.add(action.key, list(client, action, &[]).await?);
    }
    builder.add_prefix_lists(list(client, &actions::PREFIX_LISTS, &[]).await?);
    for listed in list(client, &actions::MANAGED_PREFIX_LISTS, &[]).await? {
        let Some(id) = document::prefix_list_id(&listed).filter(|id| !builder.has_prefix_list(id)) else { continue };
        match list(client, &actions::PREFIX_LIST_ENTRIES, &[("PrefixListId", id)]).await {
            Ok(entries) => builder.add_entries(id, entries),
            Err(error) if error.is_rejection() => builder.add_unreadable(id),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(builder.build())
}

/// Requests all pages of an action.
async fn list(client: &Client<'_>, action: &Action, parameters: &[(&str, &str)]) -> Result<Vec<Value>, CallError> {
    let mut items = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let page = client.page(action, parameters, token.as_deref()).await?;
        items.extend(page.items);
        match page.next_token {
            None => return Ok(items),
            next if next == token => return Err(CallError::invalid(action.name, "nextToken does not advance")),
            next => token = next,
        }
    }
    Err(CallError::invalid(action.name, format!("more than {MAX_PAGES} pages")))
}
