//! The ends: names, ids, addresses, and errors.

use serde_json::json;

use crate::network::{Network, interface, resource};

fn add_interface(topology: &mut serde_json::Value, interface: serde_json::Value) {
    topology["NetworkInterfaces"].as_array_mut().expect("a list").push(interface);
}

#[test]
fn an_end_is_a_name_an_id_or_an_address() {
    for source in ["web", "eni-web", "i-web", "10.1.1.5", "2600:1f18:a:1::5"] {
        let destination = if source.contains("::") { "[2600:1f18:b:1::5]:5432" } else { "i-db:5432" };
        let run = Network::new().explain(source, destination);
        assert_eq!(run.status, Some(0), "{source}: {}", run.stderr);
        assert_eq!(run.json()["source"]["interface_id"], "eni-web", "{source}");
    }
}

#[test]
fn ambiguous_names_list_the_candidates() {
    let network = Network::with(|topology| {
        let mut twin = interface("twin", "subnet-a", "10.1.1.7", None, &["sg-web"]);
        twin["TagSet"][0]["Value"] = json!("web");
        twin["Attachment"]["InstanceId"] = json!("i-app");
        add_interface(topology, twin);
        let mut copy = interface("copy", "subnet-c", "10.1.1.5", None, &[]);
        copy["TagSet"] = json!([]);
        add_interface(topology, copy);
    });
    for (source, expected) in [
        (
            "web",
            "\"web\" is ambiguous: eni-twin (web) (10.1.1.7, subnet-a, vpc-a), eni-web (web) (10.1.1.5, 2600:1f18:a:1::5, subnet-a, vpc-a); \
                 give the id of one of these interfaces",
        ),
        (
            "i-app",
            "\"i-app\" is ambiguous: eni-app (app) (10.1.1.6, subnet-a, vpc-a), eni-twin (web) (10.1.1.7, subnet-a, vpc-a); \
                   give the id of one of these interfaces",
        ),
        ("10.1.1.5", "\"10.1.1.5\" is ambiguous: eni-copy (10.1.1.5, subnet-c, vpc-c), eni-web (web)"),
    ] {
        let run = network.run(&[source, "db:5432"]);
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{source}");
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
    // An id chooses.
    assert_eq!(network.explain("eni-twin", "db:5432").status, Some(0));
    let many = Network::with(|topology| {
        for number in 10..40 {
            let mut node = interface(&format!("node-{number}"), "subnet-a", &format!("10.1.1.{number}"), None, &[]);
            node["TagSet"][0]["Value"] = json!("node");
            add_interface(topology, node);
        }
    });
    let stderr = many.run(&["node", "db:5432"]).stderr;
    assert!(
        stderr.contains("eni-node-19") && stderr.contains(", and 20 more;") && !stderr.contains("eni-node-20"),
        "{stderr}"
    );
}

#[test]
fn wrong_usage_exits_with_2() {
    for (arguments, expected) in [
        (
            &["wbe", "db:5432"][..],
            "the topology has no interface, instance, or Name tag \"wbe\", did you mean \"web\"?",
        ),
        (&["something-else", "db"], "Name tag \"something-else\"\n"),
        (&["internet", "db:5432"], "internet can only be the destination"),
        (&["10.1.1.5", "2600:1f18:b:1::5"], "no addresses of the same family"),
        (&["app", "2600:1f18:b:1::5"], "no addresses of the same family"),
        (&["web", "db:0"], "the port must be a number from 1 to 65535"),
        (&["web", "db:70000"], "the port must be a number from 1 to 65535"),
        (&["web", "10.2.1.5:https"], "the port must be a number from 1 to 65535"),
        (&["web", "db:https"], "Name tag \"db:https\"; a port must be a number"),
        (&["web", "10.2.0.0/16"], "a block has many addresses: give one of them"),
        (&["10.1.1.5:80", "db:5432"], "10.1.1.5:80: the source has no port: give that of the destination"),
        (&["--protocol", "sctp", "web", "db"], "must be tcp, udp, icmp, or a protocol number"),
        (&["--protocol", "132", "web", "db:80"], "SCTP has no ports that rules can name"),
        (&["web"], "<DST[:PORT]>"),
    ] {
        let run = Network::new().run(arguments);
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(run.stderr.contains(expected), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn hostile_names_are_escaped_in_text_and_kept_in_json() {
    let name = format!("db\u{1b}[2J\u{202e}{}", "x".repeat(200));
    let network = Network::with(|topology| {
        resource(topology, "NetworkInterfaces", "eni-db")["TagSet"][0]["Value"] = json!(name);
        let group = resource(topology, "SecurityGroups", "sg-db");
        group["GroupName"] = json!(name);
        resource(topology, "VpcPeeringConnections", "pcx-ab")["Status"]["Code"] = json!("failed\u{1b}[2J");
    });
    let run = network.run(&["web", "eni-db:3306"]);
    assert!(!run.stdout.contains(['\u{1b}', '\u{202e}']), "{}", run.stdout);
    assert!(run.stdout.contains("db\\u{1b}[2J"), "{}", run.stdout);
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 250), "{}", run.stdout);
    let json = network.explain("web", "eni-db:3306").json();
    assert_eq!(json["destination"]["name"], json!(name));
    let run = network.run(&["web\u{1b}[2J", "db:3306"]);
    assert_eq!(run.status, Some(2));
    assert!(!run.stderr.contains('\u{1b}'), "{}", run.stderr);
}

#[test]
fn help_has_examples_and_the_exit_status() {
    let help = Network::new().run(&["--help"]);
    assert_eq!(help.status, Some(0));
    for part in ["<SRC> <DST[:PORT]> [INPUT]...", "Examples:", "internet:443", "3: unknown"] {
        assert!(help.stdout.contains(part), "{part}: {}", help.stdout);
    }
}

#[test]
fn a_source_may_be_an_ipv6_address_in_brackets() {
    let run = Network::new().explain("[2600:1f18:a:1::5]", "[2600:1f18:b:1::5]:5432");
    assert_eq!((run.status, run.json()["source"]["interface_id"].clone()), (Some(0), serde_json::json!("eni-web")));
    assert_eq!(Network::new().explain("[2600:1f18:a:1::5]:443", "db:5432").status, Some(2));
}
