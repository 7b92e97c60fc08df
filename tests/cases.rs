//! Situations that operators meet, each with a control: similar traffic that must have another result.
//!
//! Every test builds small logs from records, so that it can vary ports, protocols, address families, the order of the
//! inputs, and the number of records around a threshold. The expected results follow from the documented
//! meaning of findings and causes.

#[path = "cases/answers.rs"]
mod answers;
#[path = "cases/build.rs"]
mod build;
#[path = "cases/explanations.rs"]
mod explanations;
#[path = "support/flow_log.rs"]
mod flow_log;
#[path = "cases/inputs.rs"]
mod inputs;
#[path = "cases/overlaps.rs"]
mod overlaps;
#[path = "cases/peering.rs"]
mod peering;
#[path = "support/records.rs"]
mod records;
#[path = "cases/routes.rs"]
mod routes;
#[path = "cases/rules.rs"]
mod rules;
#[path = "cases/scans.rs"]
mod scans;
#[path = "cases/services.rs"]
mod services;
#[path = "cases/transit_gateway.rs"]
mod transit_gateway;
