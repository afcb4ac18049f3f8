"""A small language for what a JSON value may be; a broken rule raises RefusedError."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from standin.events import RefusedError

Rule = Callable[[object, str, str], None]  # value, path such as "session.voice", api-version


@dataclass(frozen=True)
class Field:
    """One field: the rule for its value, and the api-version it began in."""

    rule: Rule
    since: str = ""
    required: bool = False


Fields = Mapping[str, Field]


def invalid(message: str, param: str) -> RefusedError:
    """A refusal with the path of the field that is to blame, such as "session.voice"."""
    update = param.startswith("session")
    code = "invalid_session_update_message" if update else "invalid_request_error"
    return RefusedError(message, code=code, param=param)


def record(fields: Fields) -> Rule:
    """An object with these fields and no others; JSON null stands for "off" or "as it comes"."""

    def rule(value: object, path: str, version: str) -> None:
        if not isinstance(value, dict):
            raise invalid(f"{path} must be an object", path)
        for name, inner in value.items():
            field = fields.get(name)
            if field is None:
                raise invalid(f"{path}.{name}: extra fields not permitted", f"{path}.{name}")
            if version < field.since:
                raise invalid(
                    f"{path}.{name} is not known before API version {field.since}", f"{path}.{name}"
                )
            if inner is not None:
                field.rule(inner, f"{path}.{name}", version)
        for name, field in fields.items():
            if field.required and value.get(name) is None:
                raise invalid(f"{path}.{name}: field required", f"{path}.{name}")

    return rule


def tagged(shapes: Mapping[str, Fields]) -> Rule:
    """An object whose `type` decides which fields it may have."""

    def rule(value: object, path: str, version: str) -> None:
        if not isinstance(value, dict):
            raise invalid(f"{path} must be an object", path)
        tag = value.get("type")
        if not isinstance(tag, str):
            raise invalid("Unable to extract tag using discriminator 'type'", path)
        if tag not in shapes:
            raise invalid(f"{path}.type must be one of {', '.join(shapes)}", f"{path}.type")
        record({"type": Field(text), **shapes[tag]})(value, path, version)

    return rule


def many(each: Rule) -> Rule:
    """A list, every element of which follows one rule."""

    def rule(value: object, path: str, version: str) -> None:
        if not isinstance(value, list):
            raise invalid(f"{path} must be a list", path)
        for index, inner in enumerate(value):
            each(inner, f"{path}[{index}]", version)

    return rule


def choice(*allowed: object) -> Rule:
    """One of these values, of the same type."""

    def rule(value: object, path: str, version: str) -> None:
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise invalid(f"{path} must be one of {', '.join(map(str, allowed))}", path)

    return rule


def only_in_previews(rule: Rule, name: str) -> Rule:
    """What another rule allows, but this one value only on api-versions that are previews."""

    def narrower(value: object, path: str, version: str) -> None:
        rule(value, path, version)
        if value == name and not version.endswith("preview"):
            raise invalid(f"{path}: {name} is known to previews only", path)

    return narrower


def number(low: float, high: float, *, whole: bool = False) -> Rule:
    """A number within bounds, both included."""

    def rule(value: object, path: str, version: str) -> None:
        kinds = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            raise invalid(f"{path} must be a number from {low} to {high}", path)

    return rule


def text(value: object, path: str, version: str) -> None:
    """Any string."""
    if not isinstance(value, str):
        raise invalid(f"{path} must be a string", path)


def flag(value: object, path: str, version: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise invalid(f"{path} must be true or false", path)


def thing(value: object, path: str, version: str) -> None:
    """Any object; the stand-in does not act on it, so it does not look inside."""
    if not isinstance(value, dict):
        raise invalid(f"{path} must be an object", path)


def text_or(other: Rule) -> Rule:
    """A string, or what the other rule allows."""

    def rule(value: object, path: str, version: str) -> None:
        if not isinstance(value, str):
            other(value, path, version)

    return rule


def modalities(value: object, path: str, version: str) -> None:
    """Some of the four; a model of sound shows `["audio"]` itself, so that is accepted, too."""
    many(choice("text", "audio", "animation", "avatar"))(value, path, version)
    if isinstance(value, list) and not {"text", "audio"} & set(value):
        raise invalid(f"{path} must contain text or audio", path)


def response_tokens(value: object, path: str, version: str) -> None:
    """A count from 1 to 4096, or "inf"."""
    if value != "inf":
        number(1, 4096, whole=True)(value, path, version)


def some(rule: Rule, *names: str) -> dict[str, Field]:
    """Several fields that follow one rule."""
    return {name: Field(rule) for name in names}
