"""The permissions as nats-server reads them: the file deploy/nats/accounts.conf, which names keys by variables.

The keys are an installation's own: `keys` writes the file that gives the variables their values.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from confer_contracts import permissions
from confer_contracts.permissions import APP, OPS, User

ANSWERS_WITHIN_S: Final = 60  # longer than any call may take
_HEAD: Final = """\
# Who may do what on NATS. Made from the catalogue by `python docs/generate.py`: change it there (docs/adr/0038).
# The keys are in a file of their own, which `confer nats-users` writes.
"""
_KEYS: Final = "keys/keys.conf"
_MANY: Final = ("$SRV.", "$JS.API.DIRECT.GET.")  # what is asked there has more than one answer


def variable(user: str) -> str:
    """What stands for the user's public key."""
    return user.upper().replace("-", "_")


def names() -> tuple[str, ...]:
    """Of everybody who has a key."""
    return (*(user.name for user in permissions.users()), permissions.SYSTEM)


def accounts(keys: str = _KEYS) -> str:
    """The text of accounts.conf. `keys`: the file that gives variables their values, seen from there; a file that is
    included sees no others."""
    lines = [
        including(keys),
        "system_account: SYS",
        "accounts {",
        f"  {APP} {{",
        "    jetstream: enabled",
        *_users(APP),
        *_exports(),
        "  }",
        f"  {OPS} {{",
        *_users(OPS),
        *_imports(),
        "  }",
        f"  SYS {{ users: [{{ nkey: ${variable(permissions.SYSTEM)} }}] }}  # connections, and the servers' own state",
        "}",
    ]
    return _HEAD + "\n".join(lines) + "\n"


def including(keys: str = _KEYS) -> str:
    return f'include "{keys}"'


def keys(public: Mapping[str, str]) -> str:
    """The text of the file with the keys: by user, the public one."""
    return "".join(f"{variable(user)}: {key}\n" for user, key in public.items())


def _users(account: str) -> Iterator[str]:
    yield "    users: ["
    yield from (line for user in _of(account) for line in _user(user))
    yield "    ]"


def _exports() -> Iterator[str]:
    """What operators may send to services and hear of them; nothing else crosses, whatever a user of OPS may."""
    yield "    exports: ["
    for kind, subject in _crossing():
        many = ", response_type: Stream" if subject.startswith(_MANY) else ""
        yield f'      {{ {kind}: "{subject}", accounts: [{OPS}]{many} }}'
    yield "    ]"


def _imports() -> Iterator[str]:
    yield "    imports: ["
    for kind, subject in _crossing():
        yield f'      {{ {kind}: {{ account: {APP}, subject: "{subject}" }} }}'
    yield "    ]"


def _crossing() -> Iterator[tuple[str, str]]:
    for user in _of(OPS):
        yield from (("service", subject) for subject in dict.fromkeys(user.publish))
        yield from (("stream", subject) for subject in dict.fromkeys(user.subscribe))


def _of(account: str) -> Iterator[User]:
    return (user for user in permissions.users() if user.account == account)


def _user(user: User) -> Iterator[str]:
    yield f"      {{ # {user.about}"
    yield f"        nkey: ${variable(user.name)}"
    yield "        permissions {"
    yield "          publish {"
    if user.publish:
        yield from _list("allow", user.publish)
    if never := user.never if user.publish else (">",):
        yield from _list("deny", never)
    yield "          }"
    yield "          subscribe {"
    yield from _list("allow", user.subscribe)
    yield "          }"
    if user.answers:
        yield f'          allow_responses: {{ max: 1, expires: "{ANSWERS_WITHIN_S}s" }}'
    yield "        }"
    yield "      }"


def _list(name: str, subjects: Iterable[str]) -> Iterator[str]:
    yield f"            {name}: ["
    for subject in dict.fromkeys(subjects):
        yield f'              "{subject}"'
    yield "            ]"
