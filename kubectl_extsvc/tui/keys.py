"""Every key of the app, once: screens make their bindings of it, the help prints it, the tests go through it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Key:
    keys: tuple[str, ...]
    """In Textual's words; the first is the one that the footer shows."""
    action: str
    words: str
    """What it does, for the help."""
    short: str = ""
    """For the footer; "" keeps it out."""
    spare: int = 0
    """How well a footer can do without it: where it is narrow, the highest go first, of equals the last."""
    changes: bool = False
    """It changes the cluster, or something in it: gone with --readonly."""
    shown_as: str = ""
    """The keys as a person reads them, where Textual's words are others."""

    @property
    def label(self) -> str:
        return self.shown_as or " ".join(_READABLE.get(key, key) for key in self.keys)


_READABLE = {
    "slash": "/",
    "exclamation_mark": "!",
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "equals_sign": "=",
    "plus": "+",
    "minus": "-",
    "escape": "esc",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}

MOVING = (
    Key(("down", "j"), "cursor_down", "one line down"),
    Key(("up", "k"), "cursor_up", "one line up"),
    Key(("g", "home"), "first", "to the first line"),
    Key(("G", "end"), "last", "to the last line"),
    Key(("ctrl+d",), "half_down", "half a page down"),
    Key(("ctrl+u",), "half_up", "half a page up"),
    Key(("ctrl+f", "pagedown"), "page_down", "a page down"),
    Key(("ctrl+b", "pageup"), "page_up", "a page up"),
)

EVERYWHERE = (
    Key(("question_mark", "f1"), "help", "this help", "help"),
    Key(("q",), "quit", "quit, and leave a summary on the screen", "quit", spare=2),
    Key(("ctrl+c",), "quit", "quit"),
    Key(("escape",), "back", "back to the screen before"),
    Key(("r",), "probe", "probe the selection now", "probe", spare=1),
    Key(("R",), "probe_failing", "probe now all that is not well"),
    Key(("w",), "interval", "how often to probe"),
    Key(("z",), "freeze", "freeze what is shown; probing goes on", "freeze", spare=4),
    Key(("s",), "sources", "choose the pods to probe from", "sources", spare=2),
    Key(("F",), "all_findings", "all findings"),
    Key(("L",), "log", "the log: probes, changes, trouble"),
    Key(("C",), "copy_command", "copy the command line that gives the same"),
)

ACTING = (
    Key(("f",), "fix", "fix what was found, after a look at the change", "fix", changes=True),
    Key(("a",), "create", "make an alias", "add", spare=1, changes=True),
    Key(("D",), "delete", "delete the alias", changes=True),
    Key(("S",), "shell", "a shell in a pod to probe from", changes=True),
    Key(("x",), "explain", "what the finding's rule is about", "explain", spare=3),
)

MATRIX = (
    Key(("enter",), "open", "open the alias", "open"),
    Key(("left", "h"), "cursor_left", "one source to the left"),
    Key(("right", "l"), "cursor_right", "one source to the right"),
    Key(("slash",), "filter", "filter: text, ns: state: code: mesh:, ! for not", "filter", spare=1),
    Key(("exclamation_mark",), "problems", "only what is not well", "problems", spare=3),
    Key(("0",), "all_namespaces", "the aliases of all namespaces, or of one"),
    Key(("plus",), "unfold", "more columns: a workload each, then a pod each"),
    Key(("minus",), "fold", "fewer columns: a workload each, then a kind of source each"),
    Key(("n",), "next_problem", "to the next that is not well"),
    Key(("N",), "previous_problem", "to the one before that is not well"),
)

ALIAS = (
    Key(
        ("1", "2", "3", "4", "5", "6", "7"),
        "tab",
        "path, headers, TLS, time, findings, objects, events",
        shown_as="1-7",
    ),
    Key(("tab",), "next_tab", "the next tab"),
    Key(("shift+tab",), "previous_tab", "the tab before"),
    Key(("left_square_bracket",), "previous_source", "the source before", "[ ] source", spare=1),
    Key(("right_square_bracket",), "next_source", "the next source"),
    Key(("equals_sign",), "pin", "keep this source at the left"),
    Key(("p",), "next_port", "the alias's next port"),
    Key(("v",), "volatile", "show or hide what changes all the time"),
    Key(("enter",), "evidence", "what is behind the line", "evidence", spare=1),
    Key(("c",), "copy", "copy the line"),
)

LISTING = (
    Key(("enter",), "open", "open the alias, or what is behind the line", "open"),
    Key(("c",), "copy", "copy the line"),
)

DIALOG = (
    Key(("escape",), "close", "close, and change nothing", "close"),
    Key(("f1", "question_mark"), "help", "this help", shown_as="F1 ?"),
    Key(("ctrl+c",), "app.quit", "quit"),
)
"""Of every dialog."""

FIX = (
    Key(("y",), "apply", "make the change, then look again", "apply", changes=True),
    Key(("c",), "copy", "copy it: commands, or manifests where others keep the object", "copy"),
)

CREATE = (
    Key(("tab",), "next_field", "the next field", "next", spare=1),
    Key(("shift+tab",), "previous_field", "the field before"),
    Key(("ctrl+s",), "create", "make the alias", "create", changes=True),
    Key(("ctrl+y",), "manifests", "the manifests, to be read or copied", "YAML"),
)

CHOOSING = (
    Key(("right", "space"), "next", "the next choice"),
    Key(("left",), "previous", "the choice before"),
)

DELETE = (
    Key(("tab",), "next_field", "to the button, enter presses it", "button"),
    Key(("y",), "delete", "delete it", "delete", changes=True),
    Key(("c",), "copy", "copy the command line that does it", "copy"),
)

SOURCES = (
    Key(("space",), "pick", "pick the pod, or not", "pick"),
    Key(("g",), "one_each", "one pod of each workload", "one each", spare=3),
    Key(("n",), "none", "none: those that find themselves", "none", spare=2),
    Key(("slash",), "filter", "only pods with these words", "filter", spare=1),
    Key(("enter",), "take", "look from the picked pods", "take"),
    Key(
        ("e",),
        "container",
        "an ephemeral container in a pod without curl, after a question",
        "container",
        spare=1,
        changes=True,
    ),
    Key(
        ("t",),
        "probe_pods",
        "a throw-away pair of pods in the alias's namespace, after a question",
        "pair",
        spare=1,
        changes=True,
    ),
)

AGREE = (Key(("y",), "agree", "yes, do it", "yes", changes=True),)

INTERVAL = (Key(("enter",), "take", "take it", "take"),)

EVIDENCE = (
    Key(("q", "enter"), "close", "back"),
    Key(("c",), "copy", "copy all of it", "copy"),
)

SHELL = (Key(("enter",), "take", "a shell in this pod", "shell"),)

Group = tuple[str, tuple[Key, ...]]
"""Keys of a kind, with their title in the help."""

SCREENS: dict[str, Group] = {
    "MatrixScreen": ("All aliases", MATRIX),
    "AliasScreen": ("One alias", ALIAS),
    "FindingsScreen": ("All findings", LISTING),
    "LogScreen": ("The log", LISTING),
}
"""Class of a screen → the keys that only it has."""

DIALOGS: dict[str, tuple[Group, ...]] = {
    "FixScreen": (("Fix a finding", FIX),),
    "CreateScreen": (("Make an alias", CREATE), ("Choices", CHOOSING)),
    "DeleteScreen": (("Delete an alias", DELETE),),
    "SourcesScreen": (("Choose the pods to probe from", SOURCES),),
    "AgreeScreen": (("A question", AGREE),),
    "IntervalScreen": (("How often to probe", INTERVAL),),
    "EvidenceScreen": (("What is behind it", EVIDENCE),),
    "ExplainScreen": (("A rule", EVIDENCE),),
    "ShellScreen": (("A shell in a pod", SHELL),),
}
"""The same of dialogs."""


def help_groups(screen: str) -> tuple[Group, ...]:
    """All keys that work on a screen of that class, its own first."""
    own: tuple[Group, ...]
    others: tuple[Group, ...]
    if screen in DIALOGS:
        own, others = DIALOGS[screen], (("Every dialog", DIALOG),)
    else:
        own = (SCREENS[screen],) if screen in SCREENS else ()
        others = (("Act", ACTING), ("Everywhere", EVERYWHERE))
    taken = {key for _, keys in own for one in keys for key in one.keys}
    moving = (replace(one, keys=tuple(key for key in one.keys if key not in taken)) for one in MOVING)
    return (*own, *others, ("In a list", tuple(one for one in moving if one.keys)))


def bindings(*groups: Iterable[Key], readonly: bool = False) -> list[BindingType]:
    """Textual's bindings of these keys; those that change something are left out where nothing may be changed."""
    return [
        Binding(key, f"{one.action}('{key}')" if one.action == "tab" else one.action, one.words, show=False)
        for group in groups
        for one in group
        if not (readonly and one.changes)
        for key in one.keys
    ]


def footer_words(*groups: Iterable[Key], width: int, readonly: bool = False) -> str:
    """f fix  a add  / filter: as many as there is room for, and no word in part."""
    shown = [key for group in groups for key in group if key.short and not (readonly and key.changes)]
    while len(words := "  ".join(map(_footer_word, shown))) > width and shown:
        shown.remove(max(reversed(shown), key=lambda key: key.spare))
    return words


def _footer_word(key: Key) -> str:
    return key.short if key.short.startswith("[") else f"{_READABLE.get(key.keys[0], key.keys[0])} {key.short}"
