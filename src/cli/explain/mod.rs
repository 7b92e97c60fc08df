//! Runs `explain`: resolves the ends, walks the path, and reads the evidence of logs.

mod contradictions;
mod evidence;
mod recorder;
pub(super) mod target;

use std::sync::Arc;

use serde::Serialize;

use self::evidence::EvidenceReader;
use super::args::{Explain, PageFormat};
use super::output::warn;
use super::{CliError, EXIT_BLOCKED, EXIT_SUCCESS, EXIT_UNKNOWN, EXIT_USAGE, inputs, output, report, topology};
use crate::aggregate::inputs::InputFailure;
use crate::html;
use crate::pipeline::{Options, ReadRecords};
use crate::record::{TCP, UDP, names};
use crate::summary::explain::Evidence;
use crate::summary::json;
use crate::topology::Topology;
use crate::topology::path::{Explanation, Hop, PathEnd, PathVerdict, Question};

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    source: &'a PathEnd,
    destination: &'a PathEnd,
    protocol: u8,
    protocol_name: Option<&'static str>,
    port: Option<u16>,
    verdict: PathVerdict,
    blocked_by: Option<&'a Hop>,
    hops: &'a [Hop],
    evidence: Option<&'a Evidence>,
}

/// Runs `explain`. Returns the exit status.
pub(super) fn explain(arguments: &Explain) -> Result<u8, CliError> {
    let topology = topology::read(&arguments.topology)?;
    let topology = topology.ok_or_else(|| usage_error("explain needs a --topology"))?;
    let question = question(arguments, &topology)?;
    let explanation = topology.explain(&question);
    let evidence = (!arguments.inputs.is_empty()).then(|| read_evidence(arguments, &topology, &explanation));
    write_report(arguments, &topology, &explanation, evidence.as_ref())
        .map_err(|error| CliError { status: EXIT_USAGE, ..error })?;
    Ok(match explanation.verdict() {
        PathVerdict::Reachable => EXIT_SUCCESS,
        PathVerdict::Blocked => EXIT_BLOCKED,
        PathVerdict::Unknown => EXIT_UNKNOWN,
    })
}

fn usage_error(message: &str) -> CliError {
    CliError { message: message.to_owned(), status: EXIT_USAGE }
}

fn question<'a>(arguments: &Explain, topology: &'a Topology) -> Result<Question<'a>, CliError> {
    let target = &arguments.destination;
    let source = target::without_brackets(&arguments.source);
    if let Some(reason) = target::wrong_source(source) {
        return Err(usage_error(&format!("{source}: {reason}")));
    }
    // A Name tag may have a colon.
    let hint = if target.port.is_none() && target.end.contains(':') { "; a port must be a number" } else { "" };
    let ends = topology.resolve_ends(source, &target.end);
    let (source, destination) = ends.map_err(|error| usage_error(&format!("{error}{hint}")))?;
    let protocol = arguments.protocol.number(source.address.is_ipv6());
    if let Some(port) = target.port.filter(|_| !matches!(protocol, TCP | UDP)) {
        let protocol = names::protocol(Some(protocol));
        return Err(usage_error(&format!("{protocol} has no ports that rules can name: leave out :{port}")));
    }
    Ok(Question { source, destination, protocol, port: target.port })
}

/// Reads the inputs one after another. The records of an input that fails do not count.
fn read_evidence(arguments: &Explain, topology: &Arc<Topology>, explanation: &Explanation) -> Evidence {
    let mut options = Options::default();
    if let Some(format) = &arguments.log_format {
        options.format = format.clone();
    }
    let mut read = EvidenceReader::new(topology, explanation);
    let (mut failed, mut records) = (Vec::new(), Vec::new());
    for input in inputs::expand(&arguments.inputs) {
        let mut one = EvidenceReader::new(topology, explanation);
        match input.for_each_flow(&options, |flow| one.observe(flow)) {
            Ok(of_input) => {
                read.merge(one);
                records.push(of_input);
            }
            Err(error) => {
                warn(&format!("{}: {error}", input.uri()));
                failed.push(InputFailure { uri: input.uri().to_owned(), error });
            }
        }
    }
    warn_of_majority(&records);
    read.finish(failed)
}

/// Warns if more than half of the records are malformed: they may be those that are looked for.
fn warn_of_majority(inputs: &[ReadRecords]) {
    let sum = |count: fn(&ReadRecords) -> u64| inputs.iter().map(count).fold(0, u64::saturating_add);
    let first = inputs.iter().find_map(|input| Some((input.first_malformed.as_ref()?, input.shape.unit())));
    let counts = (sum(|input| input.malformed), sum(|input| input.total));
    if let Some(warning) = first.and_then(|(first, unit)| report::majority(counts, first, unit)) {
        warn(&warning);
    }
}

fn write_report(
    arguments: &Explain,
    topology: &Topology,
    explanation: &Explanation,
    evidence: Option<&Evidence>,
) -> Result<(), CliError> {
    match arguments.format {
        PageFormat::Text => {
            output::write_text(&report::render_explanation(explanation, evidence, topology, output::width()))
        }
        PageFormat::Json => output::write_json(&json(explanation, evidence)),
        PageFormat::Html => output::write_html(&html::render_explanation(explanation, evidence, topology)),
    }
}

fn json(explanation: &Explanation, evidence: Option<&Evidence>) -> Vec<u8> {
    let Explanation { source, destination, protocol, port, hops } = explanation;
    json::line(&Document {
        source,
        destination,
        protocol: *protocol,
        protocol_name: names::protocol_name(*protocol),
        port: *port,
        verdict: explanation.verdict(),
        blocked_by: explanation.blocked_by(),
        hops,
        evidence,
    })
}
