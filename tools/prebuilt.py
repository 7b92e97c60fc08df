#!/usr/bin/env python3
"""Makes the templates of a release: target/dist/flowsentry-stack-vVERSION and a zip file of it. Nothing has to be built to deploy them.

    target/sam/bin/python tools/prebuilt.py    (`make prebuilt` runs it)

Lambda and CloudFormation read packages and nested templates only from S3, a package only from a bucket in its own Region. So users
copy the folder to a bucket of theirs, and two parameters name it:

    aws s3 cp --recursive flowsentry-stack-vVERSION s3://BUCKET/flowsentry-stack-vVERSION

The folder has template-prebuilt.yaml, made from template.yaml, the templates of stacks/, the packages of the functions, and what the
docs and the alarms name besides: tools/replay.py, a sample, and the Terraform module.
Every local path in a template becomes the location of a file of the folder; nothing else changes. The location contains the
version, so a stack that is updated to another version gets its packages.

tests/aws/package.py makes the packages; without them, the folder has only the templates. Needs ruamel.yaml, which keeps comments
and which SAM CLI brings along: `python3 tests/aws/lint.py --tools` installs both.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

from ruamel.yaml import YAML

import release
from release import DIST, PROJECT

ROOT, PREBUILT = "template.yaml", "template-prebuilt.yaml"
BUCKET, PREFIX = "ReleaseBucketName", "ReleasePrefix"
# As tools/release.py names them.
ARCHITECTURES = ["arm64", "x86_64"]
# Names of buckets with dots are missing: the certificates of S3 do not cover their host names.
PARAMETERS = {
    BUCKET: {
        "Type": "String",
        "Description": "Name of the bucket, in this Region, to which you copied the folder of the release.",
        "AllowedPattern": "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$",
    },
    PREFIX: {
        "Type": "String",
        "Default": "",
        "Description": "Prefix of the folder of the release in that bucket, with a slash at the end. Empty: none.",
        "AllowedPattern": "^$|^[A-Za-z0-9!_.*'()/-]+/$",
    },
}
# Properties with local paths: the keys of bucket and key in a location, or a URL.
PACKAGES = {("AWS::Serverless::Function", "CodeUri"): ("Bucket", "Key"), ("AWS::Lambda::Function", "Code"): ("S3Bucket", "S3Key")}
FILES = {
    ("AWS::StepFunctions::StateMachine", "DefinitionS3Location"): ("Bucket", "Key"),
    ("AWS::Serverless::StateMachine", "DefinitionUri"): ("Bucket", "Key"),
}
TEMPLATES = {("AWS::CloudFormation::Stack", "TemplateURL"), ("AWS::Serverless::Application", "Location")}
# Instructions for `sam build` and `sam publish`.
BUILD_METADATA = ("BuildMethod", "BuildProperties")
PUBLISH_METADATA = "AWS::ServerlessRepo::Application"


def main(dist, complete):
    bundle = Bundle(dist)
    bundle.add_template(ROOT)
    # Stacks for other accounts and Regions, and beside the main one.
    for path in sorted((PROJECT / "stacks").glob("*.yaml")):
        bundle.add_template(path.relative_to(PROJECT).as_posix())
    bundle.add_sample()
    for path in [PROJECT / "tools" / "replay.py", *sorted((PROJECT / "stacks" / "terraform").rglob("*.tf"))]:
        bundle.add_file(path.relative_to(PROJECT))
    missing = bundle.add_packages()
    path = bundle.zip()
    print(f"{path}: {path.stat().st_size:,} bytes, {len(bundle.files())} files")
    if missing:
        print(f"without the packages {', '.join(missing)}: run tests/aws/package.py", file=sys.stderr)
    return 1 if missing and complete else 0


class Bundle:
    """The folder of a release, with its templates as far as they are made."""

    def __init__(self, dist):
        self._dist = dist
        self.name = f"flowsentry-stack-v{release.manifest()['version']}"
        self.folder = dist / self.name
        # Whether a template needs PARAMETERS, by path.
        self._templates, self._packages = {}, set()
        self._yaml = YAML()
        self._yaml.preserve_quotes, self._yaml.width = True, 1 << 20
        self._yaml.indent(mapping=2, sequence=4, offset=2)
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_template(self, path):
        """Converts a template and those that it nests. Returns whether it needs PARAMETERS."""
        if path not in self._templates:
            document = self._yaml.load(PROJECT / path)
            needed = [self._convert(resource, Path(path).parent) for resource in document["Resources"].values()]
            self._templates[path] = any(needed)
            if any(needed):
                add_parameters(document)
            document.get("Metadata", {}).pop(PUBLISH_METADATA, None)
            document.yaml_set_start_comment(f"Made from {path} by tools/prebuilt.py.\n")
            self._yaml.dump(document, self._created(PREBUILT if path == ROOT else path))
        return self._templates[path]

    def _convert(self, resource, folder):
        """Replaces the local paths of a resource, which are relative to a folder. Returns whether there were any."""
        metadata, properties = resource.get("Metadata", {}), resource.get("Properties", {})
        replaced = False
        for name, value in list(properties.items()):
            kind = (resource["Type"], name)
            if not isinstance(value, str) or "://" in value:
                continue
            if kind in PACKAGES:
                properties[name] = self._location(PACKAGES[kind], self._package(metadata, properties))
            elif kind in FILES:
                properties[name] = self._location(FILES[kind], self.add_file(folder / value))
            elif kind in TEMPLATES:
                path = joined(folder, value)
                if self.add_template(path):
                    properties.setdefault("Parameters", {}).update({key: {"Ref": key} for key in PARAMETERS})
                properties[name] = {"Fn::Sub": f"https://${{{BUCKET}}}.s3.${{AWS::Region}}.${{AWS::URLSuffix}}/{self._key(path)}"}
            else:
                continue
            replaced = True
        for key in BUILD_METADATA:
            metadata.pop(key, None)
        return replaced

    def _package(self, metadata, properties):
        """Returns the file name of a function's package, by its processor."""
        name, [architecture] = metadata["BuildProperties"]["Binary"], properties["Architectures"]
        self._packages.add(name)
        # A scalar with the tag !Ref, or a plain one.
        return f"{name}-${{{architecture.value}}}.zip" if hasattr(architecture, "tag") else f"{name}-{architecture}.zip"

    def add_file(self, path):
        """Copies a file of the project, and returns its path."""
        path = joined(path.parent, path.name)
        shutil.copyfile(PROJECT / path, self._created(path))
        return path

    def _location(self, keys, path):
        return {keys[0]: {"Ref": BUCKET}, keys[1]: {"Fn::Sub": self._key(path)}}

    def _key(self, path):
        """Returns the key of a file of the folder, for Fn::Sub."""
        return f"${{{PREFIX}}}{self.name}/{path}"

    def _created(self, path):
        created = self.folder / path
        created.parent.mkdir(parents=True, exist_ok=True)
        return created

    def add_sample(self):
        """Copies the flow log that the output UploadTestObjectCommand uploads."""
        [sample] = re.findall(r"examples/\S+\.log\.gz", (PROJECT / ROOT).read_text())
        self.add_file(Path(sample))

    def add_packages(self):
        """Copies the packages into the folder. Returns the names of those that are missing."""
        names = [f"{name}-{architecture}.zip" for name in sorted(self._packages) for architecture in ARCHITECTURES]
        for name in names:
            if (self._dist / name).exists():
                shutil.copyfile(self._dist / name, self._created(name))
        return [name for name in names if not (self.folder / name).exists()]

    def files(self):
        """Returns the files of the folder by path."""
        return {path.relative_to(self.folder).as_posix(): path for path in sorted(self.folder.rglob("*")) if path.is_file()}

    def zip(self):
        path = self._dist / f"{self.name}.zip"
        files = {f"{self.name}/{name}": (file.read_bytes(), release.FILE_MODE) for name, file in self.files().items()}
        path.write_bytes(release.zipped(files))
        return path


def joined(folder, name):
    """Returns a path relative to the project, which must be a file of it."""
    path = (PROJECT / folder / name).resolve()
    if not path.is_relative_to(PROJECT) or not path.is_file():
        sys.exit(f"{folder / name} is no file of the project")
    return path.relative_to(PROJECT).as_posix()


def add_parameters(document):
    document.setdefault("Parameters", {}).update({name: dict(parameter) for name, parameter in PARAMETERS.items()})
    interface = document.get("Metadata", {}).get("AWS::CloudFormation::Interface")
    if interface:
        interface["ParameterGroups"].insert(0, {"Label": {"default": "Release"}, "Parameters": list(PARAMETERS)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--complete", action="store_true", help="fail if a package is missing")
    parser.add_argument("--dist", type=Path, default=DIST, help="folder with the packages, and for the output (target/dist)")
    arguments = parser.parse_args()
    sys.exit(main(arguments.dist, arguments.complete))
