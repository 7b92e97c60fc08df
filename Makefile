# What there is to do by hand: `make` lists it. STACK, and for AWS the profile and the region that `aws` uses, hold for all:
#
#     make replay STACK=flowsentry-prod AWS_PROFILE=network AWS_REGION=eu-west-1

STACK ?= flowsentry
# Of the command, where it takes any.
ARGS ?=
EVENT ?= events/sqs-s3.json
REGIONS ?= $(AWS_REGION)

# SAM CLI, cargo-lambda and zig, in the versions that the tests use; what is on the PATH beside them is not asked.
TOOLS := target/sam/bin
export PATH := $(CURDIR)/$(TOOLS):$(HOME)/.cargo/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
CARGO_DENY := 0.20.2

.DEFAULT_GOAL := help
.PHONY: help build test lint validate audit sbom package deploy outputs delete local topology replay replay-day clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s%s\n", $$1, $$2 }' Makefile

build: $(TOOLS)/sam ## the function's package, as sam deploy takes it
	sam build $(ARGS)

test: ## the whole gate: .ci/run
	bash .ci/run

lint: ## format and clippy, with and without AWS
	cargo fmt --check
	cargo clippy --locked --all-targets -- --deny warnings
	cargo clippy --locked --all-targets --no-default-features -- --deny warnings

validate: ## the template by sam validate, cfn-lint and checkov
	python3 tests/aws/lint.py

audit: target/cargo-tools/bin/cargo-deny ## licences, sources and banned crates; advisories with ARGS=advisories
	target/cargo-tools/bin/cargo-deny check bans licenses sources $(ARGS)

sbom: ## target/sbom: what the function is made of, as CycloneDX JSON
	python3 tools/sbom.py

package: ## builds the package, starts it as Lambda does, and shows its size
	python3 tests/aws/package.py

deploy: build ## build and deploy; the first time asks for everything and makes samconfig.toml
	@if [ -e samconfig.toml ]; then sam deploy $(ARGS); else sam deploy --guided --stack-name $(STACK) $(ARGS); fi

outputs: ## what to do after a deployment: the stack's outputs, each command whole, as sam deploy breaks its lines
	@aws cloudformation describe-stacks --stack-name $(STACK) --output text --query \
	    'join(`"\n\n"`, Stacks[0].Outputs[].join(`"\n"`, [join(`""`, [`"# "`, OutputKey, `": "`, Description]), OutputValue]))'

delete: $(TOOLS)/sam ## removes the stack; buckets that it made stay (docs/deploy.md)
	sam delete --stack-name $(STACK)

local: $(TOOLS)/sam ## the function on this machine, by EVENT=events/….json, with a local S3
	python3 tools/local.py --event $(EVENT) $(ARGS)

topology: ## the describe output of REGIONS="eu-west-1 us-east-1" to TO=s3://bucket/folder/
	@test -n "$(TO)" -a -n "$(REGIONS)" || { echo 'make topology TO=s3://bucket/folder/ REGIONS="eu-west-1"'; exit 2; }
	@mkdir -p target/topology && rm -f target/topology/*.json
	@account=$$(aws sts get-caller-identity --query Account --output text) && for region in $(REGIONS); do \
	    for what in vpcs subnets vpc-peering-connections network-interfaces route-tables; do \
	        aws ec2 describe-$$what --region $$region --output json >target/topology/$$account-$$region-$$what.json || exit 1; \
	    done; \
	done
	aws s3 cp --recursive --exclude '*' --include '*.json' target/topology/ "$(TO)"

replay: ## sends what lies in the dead-letter queues of STACK again
	python3 tools/replay.py dead-letters --stack $(STACK) $(ARGS)

replay-day: ## sends the events of OBJECTS=s3://bucket/AWSLogs/…/2026/11/23/ again
	@test -n "$(OBJECTS)" || { echo 'make replay-day OBJECTS=s3://bucket/AWSLogs/…/2026/11/23/ STACK=$(STACK)'; exit 2; }
	python3 tools/replay.py day --stack $(STACK) $(ARGS) "$(OBJECTS)"

clean: ## removes all that was built, with the tools
	rm -rf target .aws-sam

$(TOOLS)/sam:
	python3 tests/aws/lint.py --tools

target/cargo-tools/bin/cargo-deny:
	cargo install cargo-deny --version $(CARGO_DENY) --locked --root target/cargo-tools
