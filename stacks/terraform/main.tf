# Uploads the folder of a release to a bucket, and creates a stack of its template. The template alone defines what is created, so
# this module needs no change when it changes.

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

locals {
  # The keys in the template contain the name of the folder.
  folder = basename(abspath(var.release_folder))
  keys   = { for path in fileset(var.release_folder, "**") : path => "${var.release_prefix}${local.folder}/${path}" }
}

data "aws_s3_bucket" "release" {
  bucket = var.release_bucket
}

resource "aws_s3_object" "release" {
  for_each    = local.keys
  bucket      = var.release_bucket
  key         = each.value
  source      = "${var.release_folder}/${each.key}"
  source_hash = filesha256("${var.release_folder}/${each.key}")

  # An update of the stack that fails needs the files of the release before.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudformation_stack" "flowsentry" {
  # checkov:skip=CKV_AWS_124: Terraform waits for the stack and reports its failure.
  name         = var.name
  template_url = "https://${data.aws_s3_bucket.release.bucket_regional_domain_name}/${aws_s3_object.release["template-prebuilt.yaml"].key}"
  parameters = merge(var.parameters, {
    ReleaseBucketName = var.release_bucket
    ReleasePrefix     = var.release_prefix
  })
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
  iam_role_arn = var.iam_role_arn
  tags         = var.tags
  # The packages and the nested templates too.
  depends_on = [aws_s3_object.release]
}
