"""A network in the local EC2, the programs that describe it, and recorded responses of EC2."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from urllib.parse import parse_qs

import boto3

from function import ACCESS_KEY, REGION, SECRET_KEY

OWN = "123456789012"
MANIFEST = "manifest.json"
# Keys of a document, and the calls of boto3 that return them.
CALLS = {
    "Vpcs": "describe_vpcs",
    "Subnets": "describe_subnets",
    "VpcPeeringConnections": "describe_vpc_peering_connections",
    "NetworkInterfaces": "describe_network_interfaces",
    "RouteTables": "describe_route_tables",
    "SecurityGroups": "describe_security_groups",
    "NetworkAcls": "describe_network_acls",
}


def program(name):
    """Returns the path of a program that was built with the function."""
    return Path(os.environ["FLOWSENTRY_LAMBDA"]).with_name(name)


def credentials(endpoint, account):
    """Returns credentials in an account of the local services."""
    sts = boto3.client(
        "sts", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
    )
    given = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/test", RoleSessionName="test")["Credentials"]
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def ec2(endpoint, account=OWN, region=REGION):
    return boto3.client("ec2", endpoint_url=endpoint, region_name=region, **credentials(endpoint, account))


def peered_vpcs(client, block):
    """Creates two VPCs with an active peering connection, subnets, routes, interfaces, rules and a prefix list. `block` is the
    second number of their addresses."""
    a, b = (client.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"] for number in (block, block + 1))
    client.create_tags(Resources=[a], Tags=[{"Key": "Name", "Value": "a <&> b"}, {"Key": "other", "Value": ""}])
    peering = client.create_vpc_peering_connection(VpcId=a, PeerVpcId=b)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    client.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    entries = [{"Cidr": f"10.{block + 1}.0.0/16", "Description": "b"}, {"Cidr": "192.0.2.0/24"}]
    prefix_list = client.create_managed_prefix_list(
        PrefixListName="peers", Entries=entries, MaxEntries=5, AddressFamily="IPv4"
    )["PrefixList"]["PrefixListId"]
    interfaces = []
    for vpc, number in ((a, block), (b, block + 1)):
        subnet = client.create_subnet(VpcId=vpc, CidrBlock=f"10.{number}.1.0/24")["Subnet"]["SubnetId"]
        group = client.create_security_group(GroupName=f"web-{number}", Description="web", VpcId=vpc)["GroupId"]
        permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
        client.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        interface = client.create_network_interface(
            SubnetId=subnet, PrivateIpAddress=f"10.{number}.1.5", Groups=[group], Description="one"
        )
        interfaces.append(interface["NetworkInterface"]["NetworkInterfaceId"])
        table = client.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        client.associate_route_table(RouteTableId=table, SubnetId=subnet)
        other = block + 1 if vpc == a else block
        client.create_route(RouteTableId=table, DestinationCidrBlock=f"10.{other}.0.0/16", VpcPeeringConnectionId=peering)
    return {"vpcs": [a, b], "peering": peering, "interfaces": interfaces, "prefix_list": prefix_list}


def environment(endpoint, account=OWN, **more):
    """Returns the environment of a program that calls the local services as this account."""
    given = credentials(endpoint, account)
    names = {f"{name.upper()}": value for name, value in given.items()}
    return {"AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": REGION, **names, **more}


def fetch(folder, env, *arguments, regions=REGION):
    """Runs `flowsentry topology fetch`."""
    command = [program("flowsentry"), "topology", "fetch", "--regions", regions, "--to", folder, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


def documents(folder):
    """Returns the manifest and the documents of a folder, by name."""
    files = {file.name: json.loads(file.read_text()) for file in folder.glob("*.json")}
    return files.pop(MANIFEST), files


def form(request):
    """Returns the parameters of a request of EC2 or STS."""
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def calls(proxy, region=None):
    """Returns the parameters of all EC2 requests so far, or of those that were signed for a Region."""
    scope = f"/{region}/ec2/" if region else "/ec2/"
    return [form(one) for one in proxy.requests if scope in one.headers.get("authorization", "")]


def when(action, act, times=None, region=""):
    """Returns an action of the proxy for the calls of this action of EC2, up to this number of times."""
    left = [times]

    def choose(exchange):
        scope = f"/{region}/ec2/" if region else "/ec2/"
        is_signed_for = scope in exchange.request.headers.get("authorization", "")
        fits = is_signed_for and form(exchange.request).get("Action") == action
        if not fits or left[0] == 0:
            return exchange.reply(exchange.forward())
        if left[0] is not None:
            left[0] -= 1
        return act(exchange)

    return choose


def ec2_error(status, code):
    """Responds with an error of EC2."""
    error = f"<Errors><Error><Code>{code}</Code><Message>from a test</Message></Error></Errors>"
    return lambda exchange: exchange.answer(status, "text/xml", f"<Response>{error}</Response>".encode())


def xml(body):
    """Responds with a body."""
    return lambda exchange: exchange.answer(200, "text/xml", body if isinstance(body, bytes) else body.encode())


def sha256(content):
    return hashlib.sha256(content).hexdigest()
