"""Inlines a nested stack into its template: its parameters become the values that the template gives, its outputs their values.

The local CloudFormation creates no nested stacks; and a test of the whole need not know in which of them a resource is.
"""

import re
from copy import deepcopy

_NAME = re.compile(r"\$\{([A-Za-z0-9]+(?:\.[A-Za-z0-9.]+)?)\}")


def inlined_stack(template, id, nested):
    """Returns the template with the resources of the nested stack `id`, whose template is `nested`."""
    template = deepcopy(template)
    stack = template["Resources"].pop(id)
    given = dict(stack["Properties"].get("Parameters", {}))
    for name, parameter in nested["Parameters"].items():
        if name not in given:
            is_number = parameter["Type"] == "Number"
            given[name] = int(parameter["Default"]) if is_number else parameter["Default"]
    assert set(given) == set(nested["Parameters"]), f"{id}: {set(given) ^ set(nested['Parameters'])}"
    own = _Replacement(refs=given, conditions={name: f"{id}{name}" for name in nested.get("Conditions", {})})
    conditions = {f"{id}{name}": own.of(node) for name, node in nested.get("Conditions", {}).items()}
    resources = {name: own.of(node) for name, node in nested["Resources"].items()}
    if made := stack.get("Condition"):
        for node in resources.values():
            if inner := node.get("Condition"):
                conditions[f"{made}{inner}"] = {"Fn::And": [{"Condition": made}, {"Condition": inner}]}
                node["Condition"] = f"{made}{inner}"
            else:
                node["Condition"] = made
    assert not resources.keys() & template["Resources"].keys(), f"{id}: logical ids are not unique"
    outputs = {f"{id}.Outputs.{name}": own.of(one["Value"]) for name, one in nested.get("Outputs", {}).items()}
    template["Resources"] |= resources
    template.setdefault("Conditions", {}).update(conditions)
    template["Mappings"] = {**template.get("Mappings", {}), **nested.get("Mappings", {})}
    return _Replacement(attributes=outputs).of(template)


class _Replacement:
    """Replaces references to parameters, attributes and conditions."""

    def __init__(self, refs=None, attributes=None, conditions=None):
        self._refs, self._attributes, self._conditions = refs or {}, attributes or {}, conditions or {}

    def of(self, node):
        if isinstance(node, list):
            return [self.of(part) for part in node]
        if not isinstance(node, dict):
            return node
        match list(node.items()):
            case [("Ref", name)] if name in self._refs:
                return deepcopy(self._refs[name])
            case [("Fn::GetAtt", path)] if (name := path if isinstance(path, str) else ".".join(path)) in self._attributes:
                return deepcopy(self._attributes[name])
            case [("Fn::Sub", text)]:
                return {"Fn::Sub": self._sub(text)}
            case [("Fn::If", [condition, *parts])]:
                return {"Fn::If": [self._conditions.get(condition, condition), *map(self.of, parts)]}
            case [("Condition", str(name))]:
                return {"Condition": self._conditions.get(name, name)}
        replaced = {name: self.of(part) for name, part in node.items()}
        if isinstance(node.get("Condition"), str):
            replaced["Condition"] = self._conditions.get(node["Condition"], node["Condition"])
        return replaced

    def _sub(self, argument):
        text, values = (argument, {}) if isinstance(argument, str) else argument
        values = {name: self.of(value) for name, value in values.items()}

        def replacement(match):
            name = match[1]
            value = None if name in values else self._refs.get(name, self._attributes.get(name))
            if value is None:
                return match[0]
            variable = name.replace(".", "")
            values[variable] = deepcopy(value)
            return f"${{{variable}}}"

        text = _NAME.sub(replacement, text)
        return [text, values] if values else text
