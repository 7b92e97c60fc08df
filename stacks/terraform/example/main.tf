# A stack that analyzes an existing bucket of flow logs.

provider "aws" {
  region = "eu-west-1"
}

module "flowsentry" {
  source = "../"

  release_folder = "${path.module}/flowsentry-stack-v0.1.0"
  release_bucket = "my-deployments"

  parameters = {
    SourceBucketName = "my-flow-logs"
    AlertEmail       = "network@example.com"
  }
}

output "next_steps" {
  value = module.flowsentry.outputs
}
