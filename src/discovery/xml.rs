//! Reads a response of EC2's Query API: its shape decides what is kept, and which JSON it becomes.
//!
//! A response is untrusted: something else than AWS may have sent it. Document types and their entities are rejected, and
//! elements are limited in depth. The caller limits the bytes.

use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;
use serde_json::{Map, Value};
use thiserror::Error;

use super::actions::Action;
use super::shapes::{self, Field, Shape};

/// Maximum depth of elements. EC2's responses have at most 10.
const MAX_DEPTH: usize = 32;
/// Maximum length of a paging token. AWS's have some hundred bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// Why a response can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum XmlError {
    /// The text is not well-formed XML, or not UTF-8.
    #[error("not XML near byte {position}: {message}")]
    Malformed {
        /// Offset in the response.
        position: u64,
        /// The cause.
        message: String,
    },
    /// The response is XML, and not one of the action.
    #[error("not a response of {action}")]
    OtherResponse {
        /// The action that was called.
        action: &'static str,
    },
}

/// One page of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The resources, as objects with AWS's names in JSON.
    pub items: Vec<Value>,
    /// Token of the next page. `None` if this is the last one.
    pub next_token: Option<String>,
}

/// An error that AWS returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// AWS's code, such as `RequestLimitExceeded`.
    pub code: String,
    /// AWS's message.
    pub message: String,
}

/// Parses a page of the action's response.
///
/// # Errors
/// If the response is damaged, or of another action.
pub fn parse_page(action: &Action, xml: &[u8]) -> Result<Page, XmlError> {
    let fields = [
        Field::renamed(action.list, action.list, Shape::List(action.item)),
        Field::renamed("nextToken", "nextToken", Shape::Text),
    ];
    let mut parser = Parser::new(xml);
    let root = parser.root()?;
    if root.strip_suffix("Response") != Some(action.name) {
        return Err(XmlError::OtherResponse { action: action.name });
    }
    let mut found = parser.members(&fields)?;
    parser.end()?;
    let items = match found.remove(action.list) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let next_token = match found.remove("nextToken") {
        Some(Value::String(token)) if token.len() > MAX_TOKEN_BYTES => {
            return Err(parser.malformed(format!("nextToken has more than {MAX_TOKEN_BYTES} bytes")));
        }
        Some(Value::String(token)) => Some(token),
        _ => None,
    };
    Ok(Page { items, next_token })
}

/// Parses an error response of EC2. Returns `None` if it is something else, such as the page of a proxy.
pub fn parse_error(xml: &[u8]) -> Option<ServiceError> {
    let mut parser = Parser::new(xml);
    parser.root().ok().filter(|root| root == "Response")?;
    parser.item = "Error";
    let mut found = parser.members(&[Field::renamed("Errors", "Errors", Shape::List(&shapes::ERROR))]).ok()?;
    let Some(Value::Array(errors)) = found.remove("Errors") else { return None };
    let text = |name: &str| errors.first().and_then(|error| error.get(name)?.as_str()).map(str::to_owned);
    Some(ServiceError { code: text("Code")?, message: text("Message").unwrap_or_default() })
}

struct Parser<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    /// Name of the elements of lists.
    item: &'static str,
}

/// What comes next inside an element.
enum Content {
    /// An element with this name.
    Element(String),
    Text(String),
    /// The end of the element.
    End,
}

impl<'a> Parser<'a> {
    fn new(xml: &'a [u8]) -> Parser<'a> {
        let mut reader = Reader::from_reader(xml);
        reader.config_mut().expand_empty_elements = true;
        Parser { reader, depth: 0, item: "item" }
    }

    fn malformed(&self, message: impl Into<String>) -> XmlError {
        XmlError::Malformed { position: self.reader.buffer_position(), message: message.into() }
    }

    /// Reads up to the start of the root element, and returns its name.
    fn root(&mut self) -> Result<String, XmlError> {
        loop {
            match self.next()? {
                Some(Content::Element(name)) => return Ok(name),
                Some(Content::Text(text)) if text.trim().is_empty() => {}
                _ => return Err(self.malformed("no element")),
            }
        }
    }

    /// Reads what follows the root element, which must be nothing.
    fn end(&mut self) -> Result<(), XmlError> {
        while let Some(content) = self.next()? {
            if !matches!(&content, Content::Text(text) if text.trim().is_empty()) {
                return Err(self.malformed("text after the root element"));
            }
        }
        Ok(())
    }

    /// Returns the next content, or `None` at the end of the response.
    fn next(&mut self) -> Result<Option<Content>, XmlError> {
        loop {
            let event = self.reader.read_event();
            let content = match event.map_err(|error| self.malformed(error.to_string()))? {
                Event::Start(start) => {
                    let name = std::str::from_utf8(start.local_name().into_inner()).map(str::to_owned);
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(self.malformed(format!("elements more than {MAX_DEPTH} deep")));
                    }
                    Content::Element(name.map_err(|error| self.malformed(error.to_string()))?)
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Content::End
                }
                Event::Text(text) => {
                    Content::Text(text.decode().map_err(|error| self.malformed(error.to_string()))?.into_owned())
                }
                Event::CData(text) => {
                    Content::Text(text.decode().map_err(|error| self.malformed(error.to_string()))?.into_owned())
                }
                Event::GeneralRef(reference) => Content::Text(self.character(&reference)?.to_string()),
                Event::DocType(_) => return Err(self.malformed("a document type")),
                Event::Eof if self.depth > 0 => return Err(self.malformed("the response ends early")),
                Event::Eof => return Ok(None),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            };
            return Ok(Some(content));
        }
    }

    /// Resolves a reference to a character. Other entities do not exist without a document type.
    fn character(&self, reference: &BytesRef<'_>) -> Result<char, XmlError> {
        if let Some(character) = reference.resolve_char_ref().map_err(|error| self.malformed(error.to_string()))? {
            return Ok(character);
        }
        match &**reference {
            b"lt" => Ok('<'),
            b"gt" => Ok('>'),
            b"amp" => Ok('&'),
            b"apos" => Ok('\''),
            b"quot" => Ok('"'),
            _ => Err(self.malformed("an unknown entity")),
        }
    }

    /// Returns the next content inside an element, whose end must come.
    fn inside(&mut self) -> Result<Content, XmlError> {
        self.next()?.ok_or_else(|| self.malformed("the response ends early"))
    }

    /// Reads the content of an element up to its end. An empty text is none.
    fn value(&mut self, shape: &Shape) -> Result<Option<Value>, XmlError> {
        match shape {
            Shape::Struct(fields) => self.members(fields).map(|members| Some(Value::Object(members))),
            Shape::List(item) => self.items(item).map(|items| Some(Value::Array(items))),
            Shape::Text => Ok(Some(self.text()?).filter(|text| !text.is_empty()).map(Value::String)),
            Shape::Integer => {
                let text = self.text()?;
                let number: i64 = text.trim().parse().map_err(|_| self.malformed("not a number"))?;
                Ok(Some(number.into()))
            }
            Shape::Flag => match self.text()?.trim() {
                "true" => Ok(Some(true.into())),
                "false" => Ok(Some(false.into())),
                _ => Err(self.malformed("neither true nor false")),
            },
        }
    }

    /// Reads the members of a structure up to its end.
    fn members(&mut self, fields: &[Field]) -> Result<Map<String, Value>, XmlError> {
        let mut members = Map::new();
        loop {
            match self.inside()? {
                Content::Element(name) => match fields.iter().find(|field| field.xml == name) {
                    Some(field) => members.extend(self.value(&field.shape)?.map(|value| (field.json_name(), value))),
                    None => self.skip()?,
                },
                Content::Text(_) => {}
                Content::End => return Ok(members),
            }
        }
    }

    fn items(&mut self, item: &Shape) -> Result<Vec<Value>, XmlError> {
        let mut items = Vec::new();
        loop {
            match self.inside()? {
                Content::Element(name) if name == self.item => items.extend(self.value(item)?),
                Content::Element(_) => self.skip()?,
                Content::Text(_) => {}
                Content::End => return Ok(items),
            }
        }
    }

    fn text(&mut self) -> Result<String, XmlError> {
        let mut text = String::new();
        loop {
            match self.inside()? {
                Content::Element(_) => self.skip()?,
                Content::Text(part) => text += &part,
                Content::End => return Ok(text),
            }
        }
    }

    /// Reads the rest of an element up to its end.
    fn skip(&mut self) -> Result<(), XmlError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.inside()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
