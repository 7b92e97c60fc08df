# Manual tasks: `make` lists them. STACK, and the AWS profile and Region of `aws`, apply to all of them:
#
#     make replay STACK=flowsentry-prod AWS_PROFILE=network AWS_REGION=eu-west-1

STACK ?= flowsentry
# Additional arguments of the command.
ARGS ?=
EVENT ?= events/sqs-s3.json
REGIONS ?= $(AWS_REGION)

# SAM CLI, cargo-lambda and Zig, in the versions that the tests use; they take precedence over those on the PATH.
TOOLS := target/sam/bin
export PATH := $(CURDIR)/$(TOOLS):$(HOME)/.cargo/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
CARGO_DENY := 0.20.2

.DEFAULT_GOAL := help
.PHONY: help build test lint html-check validate audit sbom package prebuilt deploy outputs delete local topology replay replay-day clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s%s\n", $$1, $$2 }' Makefile

build: $(TOOLS)/sam ## builds the function with sam build
	sam build $(ARGS)

test: ## runs all checks: .ci/run
	bash .ci/run

lint: ## checks format and clippy, with and without the aws feature
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings
	cargo clippy --locked --all-targets --no-default-features -- --deny warnings

html-check: ## checks HTML pages in Chromium, with axe-core; ARGS="report.html" for others than those of the tests
	cargo test --no-default-features --test html
	python3 tools/html_check.py $(ARGS)

validate: ## checks the templates with sam validate, cfn-lint and checkov
	python3 tests/aws/lint.py

audit: target/cargo-tools/bin/cargo-deny ## checks licenses, sources and banned crates; with ARGS=advisories also advisories
	target/cargo-tools/bin/cargo-deny check bans licenses sources $(ARGS)

sbom: ## writes the software bill of materials (CycloneDX JSON) to target/sbom
	python3 tools/sbom.py

package: ## builds the deployment package, starts it like Lambda, and prints its size
	python3 tests/aws/package.py

prebuilt: $(TOOLS)/sam ## makes the templates of a release, which use the packages of `make package`
	$(TOOLS)/python tools/prebuilt.py $(ARGS)

deploy: build ## builds and deploys; the first time, asks for all parameters and writes samconfig.toml
	@if [ -e samconfig.toml ]; then sam deploy $(ARGS); else sam deploy --guided --stack-name $(STACK) $(ARGS); fi

outputs: ## prints the stack outputs, with unwrapped commands
	@aws cloudformation describe-stacks --stack-name $(STACK) --output text --query \
	    'join(`"\n\n"`, Stacks[0].Outputs[].join(`"\n"`, [join(`""`, [`"# "`, OutputKey, `": "`, Description]), OutputValue]))'

delete: $(TOOLS)/sam ## deletes the stack; its buckets are kept (docs/deploy.md)
	sam delete --stack-name $(STACK)

local: $(TOOLS)/sam ## runs the function locally with EVENT=events/….json and a local S3
	python3 tools/local.py --event $(EVENT) $(ARGS)

topology: ## uploads the topology of REGIONS="eu-west-1 us-east-1" to TO=s3://bucket/folder/
	@test -n "$(TO)" -a -n "$(REGIONS)" || { echo 'make topology TO=s3://bucket/folder/ REGIONS="eu-west-1"'; exit 2; }
	@mkdir -p target/topology && rm -f target/topology/*.json
	@account=$$(aws sts get-caller-identity --query Account --output text) && for region in $(REGIONS); do \
	    for resource in vpcs subnets vpc-peering-connections network-interfaces route-tables security-groups network-acls \
	        prefix-lists; do \
	        aws ec2 describe-$$resource --region $$region --output json >target/topology/$$account-$$region-$$resource.json || exit 1; \
	    done; \
	    lists=$$(aws ec2 describe-managed-prefix-lists --region $$region --query 'PrefixLists[].PrefixListId' --output text) || exit 1; \
	    for list in $$lists; do \
	        aws ec2 get-managed-prefix-list-entries --region $$region --prefix-list-id $$list --output json >target/topology/$$list.json \
	            || { rm target/topology/$$list.json; echo "$$list: not readable; rules that name it stay undecided" >&2; }; \
	    done; \
	done
	aws s3 cp --recursive --exclude '*' --include '*.json' target/topology/ "$(TO)"

replay: ## sends messages of the dead-letter queues of STACK again
	python3 tools/replay.py dead-letters --stack $(STACK) $(ARGS)

replay-day: ## sends events for OBJECTS=s3://bucket/AWSLogs/…/2026/11/23/
	@test -n "$(OBJECTS)" || { echo 'make replay-day OBJECTS=s3://bucket/AWSLogs/…/2026/11/23/ STACK=$(STACK)'; exit 2; }
	python3 tools/replay.py day --stack $(STACK) $(ARGS) "$(OBJECTS)"

clean: ## removes all build output, including the tools
	rm -rf target .aws-sam

$(TOOLS)/sam:
	python3 tests/aws/lint.py --tools

target/cargo-tools/bin/cargo-deny:
	cargo install cargo-deny --version $(CARGO_DENY) --locked --root target/cargo-tools
