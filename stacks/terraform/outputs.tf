output "stack_id" {
  description = "ARN of the stack."
  value       = aws_cloudformation_stack.flowsentry.id
}

output "outputs" {
  description = "Outputs of the stack: names, and commands for the next steps."
  value       = aws_cloudformation_stack.flowsentry.outputs
}
