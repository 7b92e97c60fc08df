//! A page, parsed: its elements with their attributes and texts.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Elements of HTML that have no end tag.
const VOID: &[&str] = &["meta"];

/// One element.
#[derive(Debug, Clone, Default)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    /// The texts of the element and of those inside, joined.
    pub text: String,
    /// Indexes of the elements around it, the innermost last.
    pub parents: Vec<usize>,
}

impl Element {
    /// Returns the value of an attribute, or an empty text.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// Parses a page. Panics unless all elements are closed in order, all attributes are quoted and distinct, and all references are known.
pub fn parse(page: &str) -> Vec<Element> {
    let mut reader = Reader::from_str(page);
    reader.config_mut().check_end_names = false;
    let (mut elements, mut open) = (Vec::<Element>::new(), Vec::<usize>::new());
    loop {
        match reader.read_event().expect("well-formed markup") {
            Event::Start(start) => {
                let element = element(&start, &open);
                let is_void = VOID.contains(&element.name.as_str());
                elements.push(element);
                if !is_void {
                    open.push(elements.len() - 1);
                }
            }
            Event::End(end) => {
                let index = open.pop().expect("an open element");
                assert_eq!(elements[index].name.as_bytes(), end.name().as_ref(), "at {}", reader.buffer_position());
            }
            Event::Text(text) => append(&mut elements, &open, &text.decode().expect("UTF-8")),
            Event::GeneralRef(reference) => {
                let name = reference.decode().expect("UTF-8");
                let known = [("lt", "<"), ("gt", ">"), ("amp", "&"), ("quot", "\"")];
                let (_, character) = known.iter().find(|(known, _)| *known == name).expect("a known reference");
                append(&mut elements, &open, character);
            }
            Event::DocType(_) => assert!(elements.is_empty()),
            Event::Eof => break,
            other => unreachable!("{other:?}"),
        }
    }
    assert!(open.is_empty(), "all elements are closed");
    elements
}

fn element(start: &BytesStart<'_>, open: &[usize]) -> Element {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let mut attributes = BTreeMap::new();
    for attribute in start.attributes() {
        let attribute = attribute.expect("a quoted attribute");
        let value = quick_xml::escape::unescape(std::str::from_utf8(&attribute.value).expect("UTF-8"))
            .expect("known references")
            .into_owned();
        assert!(attributes.insert(text(attribute.key.as_ref()), value).is_none(), "distinct attributes");
    }
    Element { name: text(start.name().as_ref()), attributes, text: String::new(), parents: open.to_vec() }
}

fn append(elements: &mut [Element], open: &[usize], text: &str) {
    for index in open {
        elements[*index].text.push_str(text);
    }
}

/// Returns the rows of the table with this caption: the texts of their cells, without those of nested SVG titles.
pub fn table(elements: &[Element], caption: &str) -> Vec<Vec<String>> {
    let found = elements.iter().find(|element| element.name == "caption" && element.text == caption);
    let table = *found.expect(caption).parents.last().expect("a table");
    let inside = |name: &'static str, parent: usize| {
        let children = elements.iter().enumerate();
        children.filter(move |(_, element)| {
            element.parents.contains(&parent) && name.split(' ').any(|it| it == element.name)
        })
    };
    let cells = |row: usize| inside("td th", row).map(|(_, cell)| cell.text.trim().to_owned()).collect();
    let body = inside("tbody", table).map(|(index, _)| index).next().expect("a body");
    inside("tr", body).map(|(row, _)| cells(row)).collect()
}
