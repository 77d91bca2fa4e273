"""Tells the documentation what a reader of the source knows without being told.

A room re-exports a public name as `from ._hvp import hvp as hvp`, and an Equinox
module is called with its annotated fields, as a dataclass is.
"""

import griffe


class ApiPages(griffe.Extension):
    """Lists what a package re-exports, and gives its modules their signatures."""

    def on_package(self, *, pkg: griffe.Module, **options: object) -> None:
        """Walks the loaded package, module by module."""
        self._walk(pkg)

    def _walk(self, module: griffe.Module) -> None:
        if module.is_init_module:
            module.exports = _re_exported(module) or None
        for member in list(module.members.values()):
            if member.is_alias:
                continue
            if member.is_module:
                self._walk(member)
            elif member.is_class and "__init__" not in member.members:
                _give_signature(member)


def _re_exported(module: griffe.Module) -> list[str]:
    return [
        name
        for name, member in module.members.items()
        if not name.startswith("_")
        and member.is_alias
        and member.target_path.startswith(module.path + "._")
    ]


def _give_signature(cls: griffe.Class) -> None:
    if not any(str(base) in ("eqx.Module", "Module") for base in cls.bases):
        return
    fields = [
        member
        for member in cls.members.values()
        if member.is_attribute and member.annotation is not None
    ]
    given = griffe.ParameterKind.positional_or_keyword
    parameters = [griffe.Parameter("self", kind=given)]
    for one in fields:
        default = _default(one.value)
        parameters.append(
            griffe.Parameter(
                one.name, annotation=one.annotation, kind=given, default=default
            )
        )
    init = griffe.Function(
        "__init__", parameters=griffe.Parameters(*parameters), parent=cls
    )
    cls.set_member("__init__", init)


def _default(value: object) -> object:
    """The default of a field, looked up inside `eqx.field(...)`."""
    if not isinstance(value, griffe.ExprCall) or str(value.function) != "eqx.field":
        return value
    for argument in value.arguments:
        if isinstance(argument, griffe.ExprKeyword) and argument.name == "default":
            return argument.value
    return None
