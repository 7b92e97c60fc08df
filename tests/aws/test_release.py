"""The files of a release: archives, packages, checksums, and the templates that use them."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
import zipfile

import pytest
from samtranslator.yaml_helper import yaml_parse

import template
import tools
from flow_logs import flow_log, key
from run import PROJECT
from stack import Stack
from test_tools import load

VERSION = tomllib.loads((PROJECT / "Cargo.toml").read_text())["package"]["version"]
NAME = f"flowsentry-stack-v{VERSION}"
ARCHITECTURES = ["arm64", "x86_64"]
RELEASE = {"ReleaseBucketName", "ReleasePrefix"}


@pytest.fixture
def release(monkeypatch, tmp_path):
    module = load("release")
    monkeypatch.setattr(module, "DIST", tmp_path)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder that users copy to S3, with placeholders for the packages."""
    dist = tmp_path_factory.mktemp("dist")
    for name in ["flowsentry-lambda", "flowsentry-topology"]:
        for architecture in ARCHITECTURES:
            (dist / f"{name}-{architecture}.zip").write_bytes(b"a package")
    command = [tools.sam() / "python", "-B", PROJECT / "tools" / "prebuilt.py", "--complete", "--dist", dist]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(dist / f"{NAME}.zip") as package:
        package.extractall(dist / "unpacked")
    return dist / "unpacked" / NAME


def templates(folder):
    """Returns the converted templates with their sources, by path."""
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.yaml"))]
    source = lambda path: "template.yaml" if path == "template-prebuilt.yaml" else path
    return {path: (template.load(source(path)), yaml_parse((folder / path).read_text())) for path in paths}


def differences(before, after, path=()):
    """Yields the paths at which two documents differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from differences(before.get(name), after.get(name), (*path, name))
    elif before != after:
        yield path


def is_allowed(path):
    """Whether a converted template may differ there: locations, and what only sam build and sam publish read."""
    match path:
        case ("Parameters", name) | ("Resources", _, "Properties", "Parameters", name):
            return name in RELEASE
        case ("Resources", _, "Properties", "CodeUri" | "Code" | "TemplateURL" | "Location" | "DefinitionS3Location" | "DefinitionUri"):
            return True
        case ("Resources", _, "Metadata", "BuildMethod" | "BuildProperties") | ("Resources", _, "Metadata"):
            return True
        case ("Metadata", "AWS::ServerlessRepo::Application") | ("Metadata", "AWS::CloudFormation::Interface", "ParameterGroups"):
            return True
    return False


def test_prebuilt_templates_differ_only_in_locations(folder):
    converted = templates(folder)
    sources = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "stacks").glob("*.yaml")}
    assert set(converted) == sources | {"template-prebuilt.yaml"}
    for path, (before, after) in converted.items():
        assert not [one for one in differences(before, after) if not is_allowed(one)], path
        # Nothing needs a build.
        functions = [one for one in after["Resources"].values() if one["Type"] in {"AWS::Serverless::Function", "AWS::Lambda::Function"}]
        assert not [one for one in functions if "BuildMethod" in one.get("Metadata", {})]
    before, after = (one["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"] for one in converted["template-prebuilt.yaml"])
    assert after[1:] == before and set(after[0]["Parameters"]) == RELEASE


def locations(node):
    """Yields the keys, as texts of Fn::Sub, of all files of the release that a template names."""
    if isinstance(node, dict):
        for value in node.values():
            yield from locations(value)
    elif isinstance(node, list):
        for value in node:
            yield from locations(value)
    elif isinstance(node, str) and "${ReleasePrefix}" in node:
        yield node.partition("${ReleasePrefix}")[2]


def test_every_location_is_a_file_of_the_release(folder):
    named, files = set(), {f"{NAME}/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*") if path.is_file()}
    for _, after in templates(folder).values():
        for text in locations(after):
            named |= {text.replace("${Architecture}", architecture) for architecture in ARCHITECTURES}
    assert named <= files
    packages = {f"{NAME}/{name}-{one}.zip" for name in ["flowsentry-lambda", "flowsentry-topology"] for one in ARCHITECTURES}
    assert packages | {f"{NAME}/stacks/topology.yaml", f"{NAME}/stacks/window.asl.json"} <= named
    # Files that no template names are templates for other accounts and Regions, the main one, the sample, and what the docs name.
    others = {file.removeprefix(f"{NAME}/") for file in files - named if not file.endswith((".yaml", ".log.gz"))}
    module = ["main.tf", "variables.tf", "outputs.tf", "example/main.tf"]
    assert others == {"tools/replay.py", *(f"stacks/terraform/{name}" for name in module)}
    [sample] = (folder / "examples" / "sample").iterdir()
    assert sample.name.startswith("123456789012_vpcflowlogs_")


def test_nested_templates_get_the_location(folder):
    """A template that names files has the two parameters, and every stack of it passes them."""
    converted = {path: after for path, (_, after) in templates(folder).items()}
    nested = 0
    for path, after in converted.items():
        assert (RELEASE <= set(after.get("Parameters", {}))) == bool(list(locations(after))), path
        for one in after["Resources"].values():
            url = one.get("Properties", {}).get("TemplateURL")
            if not url:
                continue
            child = url["Fn::Sub"].partition(f"/{'${ReleasePrefix}'}{NAME}/")[2]
            passed = one["Properties"].get("Parameters", {})
            assert set(passed) <= set(converted[child]["Parameters"])
            needs = RELEASE & set(converted[child]["Parameters"])
            assert {name: passed.get(name) for name in needs} == {name: {"Ref": name} for name in needs}
            nested += 1
    assert nested >= 3


def test_prebuilt_templates_have_no_findings(folder):
    """Those of cfn-lint and SAM. Their rules about values know no URL that is only known at deployment."""
    region = ["--region", "us-east-1"]
    main = folder / "template-prebuilt.yaml"
    assert tools.run(tools.sam(), "sam", "validate", "--lint", "--template", main, *region) == 0
    assert tools.run(tools.sam(), "cfn-lint", "--regions", "us-east-1", "--", *sorted(folder.rglob("*.yaml"))) == 0
    # CloudFormation reads at most 1 MB from S3.
    assert all(path.stat().st_size < 1_000_000 for path in folder.rglob("*.yaml"))


def test_functions_are_created_from_the_release(folder, clients):
    """With the packages at the keys of the template, for both processors, with a prefix."""
    stack = Stack(clients)
    bucket, prefix = stack.bucket("release"), "deployments/"
    for path in folder.rglob("*"):
        if path.is_file():
            stack.s3.upload_file(str(path), bucket, f"{prefix}{NAME}/{path.relative_to(folder).as_posix()}")
    functions, role = clients.of("lambda"), clients.of("iam").create_role(RoleName=stack.name, AssumeRolePolicyDocument="{}")
    made = 0
    for _, after in templates(folder).values():
        for one in after["Resources"].values():
            location = {"AWS::Serverless::Function": "CodeUri", "AWS::Lambda::Function": "Code"}.get(one["Type"])
            if not location:
                continue
            names = {"ReleaseBucketName": bucket, "ReleasePrefix": prefix}
            for names["Architecture"] in ARCHITECTURES:
                values = [evaluated(value, names) for value in one["Properties"][location].values()]
                created = functions.create_function(
                    FunctionName=f"{stack.name}-{made}",
                    Runtime=one["Properties"]["Runtime"],
                    Role=role["Role"]["Arn"],
                    Handler=one["Properties"]["Handler"],
                    Code=dict(zip(["S3Bucket", "S3Key"], values)),
                )
                assert created["CodeSize"] == len(b"a package")
                made += 1
    stack.close()
    assert made >= 4


def evaluated(node, names):
    [(function, argument)] = node.items()
    return names[argument] if function == "Ref" else re.sub(r"\$\{(\w+)\}", lambda match: names[match[1]], argument)


def test_prebuilt_stack_analyzes_an_object(folder, clients, monkeypatch, tmp_path):
    """The main template, deployed like template.yaml. The local CloudFormation gets nested templates by their path."""
    shutil.copytree(folder / "stacks", tmp_path / "stacks")
    text = (folder / "template-prebuilt.yaml").read_text()
    text, count = re.subn(rf"TemplateURL:\n +Fn::Sub: \S+{re.escape(NAME)}/", "TemplateURL: ", text)
    assert count >= 3
    (tmp_path / "template.yaml").write_text(text)
    monkeypatch.setattr(template, "load", lambda name="template.yaml": yaml_parse((tmp_path / name).read_text()))
    stack = Stack(clients)
    try:
        stack.deploy(ReleaseBucketName="release")
        stored = stack.put(key("prebuilt"), flow_log(accepted=2), stack.source)
        stack.feed(stack.function())
        [summary] = stack.documents("summaries")
    finally:
        stack.close()
    assert summary["sources"][0]["uri"] == stored.uri
    assert summary["records"]["accepted"] == 2


def test_archives_are_reproducible(release, tmp_path):
    """The same program gives the same bytes, and unpacked it is executable and has the licenses beside it."""
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF GLIBC_2.17 GLIBC_2.34")
    for target in release.TARGETS:
        path = release.archive(target, program)
        before = path.read_bytes()
        os.utime(program, (1, 1))
        assert release.archive(target, program) == path and path.read_bytes() == before
        files = {name.partition("/")[2]: mode for name, mode in unpacked(before).items()}
        folders = {name.partition("/")[0] for name in unpacked(before)}
        assert folders == {f"flowsentry-v{VERSION}-{target}"}
        name = "flowsentry.exe" if "windows" in target else "flowsentry"
        assert files == {name: 0o755, "LICENSE-APACHE": 0o644, "LICENSE-MIT": 0o644, "README.md": 0o644}
    package = release.function_zip("flowsentry-lambda", "arm64", program)
    assert package.name == "flowsentry-lambda-arm64.zip" and unpacked(package.read_bytes()) == {"bootstrap": 0o755}


def unpacked(archive):
    """Returns the modes of the files of an archive."""
    if archive[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(archive)) as package:
            return {one.filename: one.external_attr >> 16 & 0o777 for one in package.infolist()}
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        return {one.name: one.mode for one in package}


def test_programs_for_newer_systems_are_rejected(release, tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"GLIBC_2.4 GLIBC_2.35")
    with pytest.raises(SystemExit, match="needs glibc 2.35; build it on a system with 2.34 or older"):
        release.archive("x86_64-unknown-linux-gnu", program)


def test_checksums_are_those_of_all_files(release, tmp_path):
    (tmp_path / "b.zip").write_bytes(b"b")
    (tmp_path / "a.zip").write_bytes(b"a")
    (tmp_path / "folder").mkdir()
    for _ in range(2):
        text = release.checksums()
        lines = [f"{hashlib.sha256(name.encode()).hexdigest()}  {name}.zip" for name in "ab"]
        assert text.splitlines() == lines and (tmp_path / "SHA256SUMS").read_text() == text


def test_notes_are_the_section_of_the_version(release, monkeypatch, tmp_path):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    monkeypatch.setattr(release, "PROJECT", tmp_path)
    cargo = '[package]\nversion = "1.2.3"\nrepository = "https://github.com/someone/flowsentry"\n'
    (tmp_path / "Cargo.toml").write_text(cargo)
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changelog\n\n## Unreleased\n\n## 1.2.3 (2026-12-01)\n\n### Added\n\n- One.\n\n## 1.2.2\n\n- Two.\n")
    assert release.notes("v1.2.3") == "### Added\n\n- One.\n"
    with pytest.raises(SystemExit, match="the tag is v1.2.4, but Cargo.toml has the version 1.2.3"):
        release.notes("v1.2.4")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/flowsentry")
    assert release.notes("v1.2.3")
    monkeypatch.setenv("GITHUB_REPOSITORY", "else/flowsentry")
    with pytest.raises(SystemExit, match='Cargo.toml needs repository = "https://github.com/else/flowsentry"'):
        release.notes("v1.2.3")
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/flowsentry")
    changelog.write_text("## 1.2.3\n\n## 1.2.2\n\n- Two.\n")
    with pytest.raises(SystemExit, match="CHANGELOG.md has no section 1.2.3, or an empty one"):
        release.notes("v1.2.3")


def test_binstall_finds_the_archives(release):
    """The templates of Cargo.toml expand to the names and the content of the archives."""
    binstall = release.manifest()["metadata"]["binstall"]
    for target in release.TARGETS:
        settings = {**binstall, **binstall["overrides"].get(target, {})}
        suffix = {"tgz": ".tar.gz", "zip": ".zip"}[settings["pkg-fmt"]]
        extension = ".exe" if "windows" in target else ""
        names = {"repo": "https://example.com", "version": VERSION, "target": target, "bin": "flowsentry"}
        names |= {"archive-suffix": suffix, "binary-ext": extension}
        expand = lambda text: re.sub(r"\{ ([a-z-]+) \}", lambda match: names[match[1]], text)
        assert expand(settings["pkg-url"]) == f"https://example.com/releases/download/v{VERSION}/{release.archive_name(target)}"
        folder = release.archive_name(target).removesuffix(suffix)
        assert expand(settings["bin-dir"]) == f"{folder}/flowsentry{extension}"


def test_publishing_metadata_is_valid():
    """By the limits of the Serverless Application Repository, which accepts no intrinsic functions."""
    # https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-template-publishing-applications-metadata-properties.html
    about = template.load()["Metadata"]["AWS::ServerlessRepo::Application"]
    package = tomllib.loads((PROJECT / "Cargo.toml").read_text())["package"]
    assert about["SemanticVersion"] == VERSION and about["Description"] == package["description"]
    assert re.fullmatch(r"[a-zA-Z0-9-]{1,140}", about["Name"]) and len(about["Description"]) <= 256
    assert re.fullmatch(r"[a-z0-9](([a-z0-9]|-(?!-))*[a-z0-9])?", about["Author"]) and len(about["Author"]) <= 127
    # One of the two: there is no field for a choice.
    assert about["SpdxLicenseId"] in package["license"].split(" OR ")
    assert all((PROJECT / about[name]).is_file() for name in ["LicenseUrl", "ReadmeUrl"])
    assert len(about["Labels"]) <= 10
    assert all(re.fullmatch(r"[a-zA-Z0-9+_:/@-]{1,127}", label) for label in about["Labels"])
    known = {"Name", "Description", "Author", "SpdxLicenseId", "LicenseUrl", "ReadmeUrl", "Labels", "SemanticVersion"}
    assert set(about) == known


def parsed(path):
    """Returns a Terraform file, as the parser of checkov reads it."""
    program = "import hcl2, json, sys; print(json.dumps(hcl2.load(sys.stdin)))"
    command = [tools.checkov() / "python", "-B", "-c", program]
    return json.loads(subprocess.run(command, input=path.read_text(), capture_output=True, text=True, check=True).stdout)


def test_terraform_module_deploys_the_release(folder):
    """The module names what the release has, and its example only variables of the module."""
    module = PROJECT / "stacks" / "terraform"
    main, example = parsed(module / "main.tf"), parsed(module / "example" / "main.tf")
    resources = {(kind, name): body for one in main["resource"] for kind, named in one.items() for name, body in named.items()}
    [stack] = resources["aws_cloudformation_stack", "flowsentry"]["parameters"]
    assert set(re.findall(r"Release\w+", str(stack))) == RELEASE
    [url] = resources["aws_cloudformation_stack", "flowsentry"]["template_url"]
    [file] = re.findall(r'release\["?\'?([\w./-]+)', url)
    assert (folder / file).is_file()
    assert resources["aws_cloudformation_stack", "flowsentry"]["capabilities"] == [["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]]
    declared = {name: body for one in parsed(module / "variables.tf")["variable"] for name, body in one.items()}
    text = (module / "main.tf").read_text()
    assert set(re.findall(r"\bvar\.(\w+)", text)) == set(declared)
    required = {name for name, body in declared.items() if "default" not in body}
    [given] = [one["flowsentry"] for one in example["module"]]
    given = {name for name in given if not name.startswith("__")}
    assert required <= given - {"source"} <= set(declared)
    outputs = {name for one in parsed(module / "outputs.tf")["output"] for name in one}
    assert outputs == {"stack_id", "outputs"}
    parameters = set(re.findall(r"^    (\w+) +=", (module / "example" / "main.tf").read_text(), re.MULTILINE))
    assert parameters and parameters <= set(template.load()["Parameters"])
    assert NAME in (module / "example" / "main.tf").read_text()
