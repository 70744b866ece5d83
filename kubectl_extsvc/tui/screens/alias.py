"""One alias, in seven tabs."""

from kubectl_extsvc.model.resources import ObjectRef
from kubectl_extsvc.tui.screens.base import BoardScreen


class AliasScreen(BoardScreen):
    def __init__(self, ref: ObjectRef) -> None:
        super().__init__()
        self.ref = ref

    def board_changed(self, dirty: frozenset[ObjectRef] | None) -> None:
        pass

    def selected(self) -> ObjectRef | None:
        return self.ref
