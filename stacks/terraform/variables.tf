variable "name" {
  description = "Name of the stack."
  type        = string
  default     = "flowsentry"
}

variable "release_folder" {
  description = "Folder flowsentry-stack-v… of a release, unpacked."
  type        = string
}

variable "release_bucket" {
  description = "Existing bucket in the provider's Region, to which the folder is uploaded."
  type        = string
}

variable "release_prefix" {
  description = "Prefix of the folder in the bucket, with a slash at the end."
  type        = string
  default     = ""
}

variable "parameters" {
  description = "Parameters of the stack; docs/reference.md lists them. Numbers are strings."
  type        = map(string)
  default     = {}
}

variable "iam_role_arn" {
  description = "Role that CloudFormation assumes to create the resources. By default it uses the provider's credentials."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the stack and its resources."
  type        = map(string)
  default     = {}
}
