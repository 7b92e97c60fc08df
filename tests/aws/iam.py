"""IAM's policy evaluation, limited to the features in the template's policies.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html

Anything else, such as another condition operator, raises an error.
"""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """One action on one resource, with the request context."""

    action: str
    resource: str
    # The caller: the ARN of a role, or a service such as events.amazonaws.com.
    principal: str
    context: tuple = ()
    # The origin of the call, for error messages.
    because: str = field(default="", compare=False)

    def __str__(self):
        context = ", ".join(f"{key}={value}" for key, value in self.context)
        return f"{self.principal} {self.action} {self.resource}{f' ({context})' if context else ''}: {self.because}"


def call(action, resource, principal, because="", **context):
    """Creates a call; context keys are written with __ for the colon and _ for the hyphen."""
    named = {name.replace("__", ":").replace("_", "-"): value for name, value in context.items()}
    return Call(action, resource, principal, tuple(sorted((name, str(value)) for name, value in named.items())), because)


def statements(*documents):
    """Returns the statements of policies."""
    return [one for document in documents for one in listed(document["Statement"])]


def listed(value):
    return value if isinstance(value, list) else [value]


def is_allowed(one, own, of_resource=(), needs_both=False):
    """Returns whether the caller's or the resource's statements allow a call, and neither denies it.

    For a KMS key, the key policy must also allow it or delegate to the account (`needs_both`).
    """
    every = [*own, *of_resource]
    if any(_holds(statement, one) for statement in every if statement["Effect"] == "Deny"):
        return False
    by_own = any(_holds(statement, one) for statement in own if statement["Effect"] == "Allow")
    allowing = [statement for statement in of_resource if statement["Effect"] == "Allow" and _holds(statement, one)]
    if not needs_both:
        return by_own or bool(allowing)
    # A caller that the key policy names needs nothing else. If it names the account, the caller's own policy decides.
    return any(not _names_account(statement) for statement in allowing) or (by_own and bool(allowing))


def _names_account(statement):
    return any(str(who).endswith(":root") for who in _principals(statement))


def _principals(statement):
    principal = statement["Principal"]
    return [principal] if principal == "*" else [who for kind in principal.values() for who in listed(kind)]


def _holds(statement, one):
    if unknown := set(statement) - {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}:
        raise NotImplementedError(f"{unknown} of {statement}")
    return (
        _is_by(statement, one.principal)
        # Action names are case-insensitive.
        and any(_matches(pattern.lower(), one.action.lower()) for pattern in listed(statement["Action"]))
        # A trust policy and a key policy apply to the resource that has them.
        and any(_matches(pattern, one.resource) for pattern in listed(statement.get("Resource", "*")))
        and all(_fulfils(*condition, dict(one.context)) for condition in _conditions(statement))
    )


def _is_by(statement, principal):
    """A statement of the caller's own policy has no principal."""
    if "Principal" not in statement:
        return True
    account = principal.split(":")[4] if principal.startswith("arn:") else None
    meant = {"*", principal, f"arn:aws:iam::{account}:root"}
    return any(who in meant for who in _principals(statement))


def _matches(pattern, text):
    """IAM wildcards: an asterisk for any text, a question mark for one character."""
    if "${" in pattern:
        raise NotImplementedError(f"a policy variable: {pattern}")
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _conditions(statement):
    """Yields operator, key and values."""
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            yield operator, key, [str(value).lower() if isinstance(value, bool) else str(value) for value in listed(values)]


def _fulfils(operator, key, values, context):
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
    known = {name.lower(): value for name, value in context.items()}
    value = known.get(key.lower())
    if operator == "Null":
        return (value is None) == (values == ["true"])
    plain = operator.removesuffix("IfExists")
    negated = "Not" in plain
    if value is None:
        return negated or plain != operator
    equal, like = lambda want: value == want, lambda want: _matches(want, value)
    match plain.replace("Not", ""):
        case "StringEquals":
            found = any(map(equal, values))
        case "StringLike" | "ArnLike" | "ArnEquals":
            found = any(map(like, values))
        case "Bool":
            found = any(value.lower() == want.lower() for want in values)
        case _:
            raise NotImplementedError(f"{operator} of {key}")
    return found != negated


def denied(calls, own, resource_policies=None):
    """Returns the calls that are not allowed. Resource policies are statements by ARN or ARN prefix."""
    return [one for one in calls if not is_allowed(one, own, *_of_resource(one, resource_policies or {}))]


def _of_resource(one, policies):
    """A bucket policy also applies to the bucket's objects."""
    found = [held for arn, held in policies.items() if one.resource == arn or one.resource.startswith(arn + "/")]
    return [statement for held in found for statement in held], one.action.startswith("kms:")


def not_needed(calls, own, resource_policies=None):
    """Returns the parts of the caller's policies that no call needs, by statement."""
    unneeded = []
    for place, statement in enumerate(own):
        if statement["Effect"] == "Deny":
            continue
        name = statement.get("Sid", f"statement {place}")
        without = lambda less: [*own[:place], *less, *own[place + 1 :]]
        if not denied(calls, without([]), resource_policies):
            unneeded.append(name)
            continue
        for element in ["Action", "Resource"]:
            parts = listed(statement[element])
            for part in parts if len(parts) > 1 else []:
                less = {**statement, element: [other for other in parts if other != part]}
                if not denied(calls, without([less]), resource_policies):
                    unneeded.append(f"{name}: {part}")
    return unneeded
