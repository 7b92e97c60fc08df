//! Runs `flowsentry explain` on one small network, in which each case changes one thing, and checks hops, text, and exit status.
//!
//! The network: `web` (10.1.1.5, 2600:1f18:a:1::5) and `app` (10.1.1.6) in `subnet-a` of `vpc-a`, which has a NAT gateway and a public
//! host `proxy` (10.1.2.9, 52.0.0.9) in `subnet-public`. `db` (10.2.1.5, 2600:1f18:b:1::5) is in `subnet-b` of `vpc-b`, which is
//! peered with `vpc-a` and with `vpc-c`, which has `cache` (10.3.1.5).

#![expect(clippy::disallowed_methods, reason = "the command reads files")]

#[path = "explain/network.rs"]
mod network;

#[path = "explain/evidence.rs"]
mod evidence;
#[path = "explain/internet.rs"]
mod internet;
#[path = "explain/names.rs"]
mod names;
#[path = "explain/pages.rs"]
mod pages;
#[path = "explain/peering.rs"]
mod peering;
#[path = "explain/rules.rs"]
mod rules;
