"""What a person does in the dialogs, on a real sandbox, and what is there afterwards."""

import time
from typing import Any

import anyio
import pytest
from worlds.tui_app import Shown, app_on_sandbox

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.cluster.exec_frames import ExecResult
from kubectl_extsvc.model.resources import DESTINATION_RULES, PODS, SERVICES, Json, ObjectRef
from kubectl_extsvc.sandbox.api.kinds import BY_RESOURCE
from kubectl_extsvc.sandbox.running import Sandbox
from kubectl_extsvc.tui.cells import Cell
from kubectl_extsvc.tui.dialogs.agree import AgreeScreen
from kubectl_extsvc.tui.dialogs.create import CreateScreen
from kubectl_extsvc.tui.dialogs.delete import DeleteScreen
from kubectl_extsvc.tui.dialogs.fix import FixScreen
from kubectl_extsvc.tui.dialogs.sources import SourcesScreen

MY_PAY = ObjectRef("Service", "default", "my-pay")
HTTPBIN = ObjectRef("Service", "default", "my-httpbin")


def cells(shown: Shown, ref: ObjectRef) -> list[str]:
    """The sign of each source's cell."""
    board = shown.app.board
    row: dict[str, Cell] = board.cells.get(ref, {})
    found = [row[source.key] for source in board.sources if source.key in row]
    return [cell.glyph.sign for cell in found]


def rule(sandbox: Sandbox) -> dict[str, object]:
    found = sandbox.store.get(DESTINATION_RULES.qualified_plural, "default", "my-pay")
    assert found is not None
    return dict(found["spec"]["trafficPolicy"]["tls"])


async def test_a_fix_that_somebody_came_before_is_planned_anew_and_makes_the_alias_well() -> None:
    async with app_on_sandbox("sni-missing") as (shown, sandbox):
        await shown.until(lambda: cells(shown, MY_PAY) == ["✗", "·"])
        await shown.press("f")
        await shown.see("Fix XS0403 on my-pay.default", "+       sni: api.pay.example", "server dry run")
        assert rule(sandbox) == {"mode": "SIMPLE"}

        labels = {"metadata": {"labels": {"team": "pay"}}}
        sandbox.patch(DESTINATION_RULES, "default", "my-pay", labels)
        await shown.press("y")
        await shown.see(
            "Before",
            "the object has been modified",
            "It is planned anew.",
            "+       sni: api.pay.example",
            "server dry run",
        )
        assert rule(sandbox) == {"mode": "SIMPLE"}

        await shown.press("y")
        await shown.until(lambda: not isinstance(shown.app.screen, FixScreen))
        wanted = {"mode": "SIMPLE", "sni": "api.pay.example", "subjectAltNames": ["api.pay.example"]}
        assert rule(sandbox) == wanted
        await shown.until(lambda: cells(shown, MY_PAY) == ["✓", "·"])
        assert shown.app.board.reports[MY_PAY].report.findings == ()


async def test_an_alias_is_made_in_the_form_and_deleted_with_all_that_was_made() -> None:
    async with app_on_sandbox("empty", size=(130, 40)) as (shown, sandbox):
        await shown.until(lambda: shown.app.board.known_at > 0)
        await shown.press("a")
        await shown.type("https://api.pay.example/v1")
        await shown.see("Makes in default   ✓ server dry run", "SNI        api.pay.example", "+ service/my-pay")
        assert sandbox.store.get(SERVICES.qualified_plural, "default", "my-pay") is None
        await shown.press("ctrl+s")
        await shown.see("my-pay.default is there", "virtualservice.networking.istio.io/my-pay created")
        assert not any(isinstance(screen, CreateScreen) for screen in shown.app.screen_stack)
        await shown.press("escape")
        await shown.until(lambda: cells(shown, MY_PAY) == ["✓", "·"])

        await shown.press("D")
        await shown.see("This goes, and nothing else:", "destinationrule.networking.istio.io/my-pay")
        await shown.press("tab", "enter")
        await shown.until(lambda: not isinstance(shown.app.screen, DeleteScreen))
        left = [obj["kind"] for resource in BY_RESOURCE for obj in sandbox.store.items(resource)
                if obj["metadata"]["name"].startswith("my-pay")]  # fmt: skip
        assert left == []
        await shown.until(lambda: shown.app.board.aliases == ())


async def test_only_picked_pods_are_asked_and_the_alias_of_others_is_not_deleted() -> None:
    async with app_on_sandbox("healthy") as (shown, _):
        await shown.until(lambda: len(shown.app.board.sources) == 2)
        await shown.press("s")
        await shown.see("[x] deployment/curl  default")
        await shown.press("n", "slash", *"without", "enter", "space", "enter")
        await shown.until(lambda: not isinstance(shown.app.screen, SourcesScreen))
        await shown.until(lambda: [source.namespace for source in shown.app.board.sources] == ["without-istio"])

        await shown.press("w", *"7s", "enter")
        assert shown.app.live is not None
        assert shown.app.live.wishes.interval == 7.0

        await shown.press("D")
        await shown.see("was not made by kubectl extsvc; nothing was changed.")
        await shown.press("y")
        assert isinstance(shown.app.screen, DeleteScreen)
        assert "waiting" not in shown.text


LEAN: Json = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "lean", "namespace": "without-istio"},
    "spec": {"containers": [{"name": "lean", "image": "pause"}]},
}
"""A pod with nothing in it to probe with."""


def added_to_lean(sandbox: Sandbox) -> list[str]:
    pod = sandbox.store.get(PODS.qualified_plural, "without-istio", "lean")
    assert pod is not None
    return [container["name"] for container in pod["spec"].get("ephemeralContainers") or ()]


async def test_a_pod_without_a_tool_gets_a_container_by_consent_and_is_looked_from_by_it() -> None:
    async with app_on_sandbox("healthy") as (shown, sandbox):
        await shown.until(lambda: len(shown.app.board.sources) == 2)
        assert shown.app.deeds is not None
        await shown.app.deeds.cluster.create(PODS, LEAN, "kubectl-create")
        await shown.press("s")
        await shown.see("[x] deployment/curl  default")
        await shown.press("n", "slash", *"lean", "enter", "e")
        await shown.see(
            "Add an ephemeral container?",
            "pod/lean in namespace without-istio has neither curl nor python3",
            "(docker.io/curlimages/curl:8.21.0)",
            "until the pod is gone",
        )
        await shown.press("escape")
        await shown.until(lambda: shown.app.board.happenings[-1].text == "nothing was changed")
        assert isinstance(shown.app.screen, SourcesScreen)
        assert added_to_lean(sandbox) == []

        await shown.press("e")
        await shown.until(lambda: isinstance(shown.app.screen, AgreeScreen))
        await shown.press("y")
        await shown.until(lambda: not isinstance(shown.app.screen, SourcesScreen))
        (container,) = added_to_lean(sandbox)
        await shown.until(
            lambda: [(source.pod, source.container) for source in shown.app.board.sources] == [("lean", container)]
        )
        await shown.until(lambda: cells(shown, MY_PAY) == ["·"])
        await shown.until(lambda: cells(shown, HTTPBIN) == ["✓"])

        await shown.press("s")
        await shown.see("deployment/curl  default")
        await shown.press("slash", *"default", "enter", "e")
        await shown.until(lambda: "gets no container: it has curl" in shown.app.board.happenings[-1].text)
        assert isinstance(shown.app.screen, SourcesScreen)


async def test_a_pod_that_hangs_blocks_neither_keys_nor_other_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exec never ends; what a person does and what other pods say goes on."""
    run, hung = Cluster.exec, []

    async def exec_(cluster: Cluster, namespace: str, *args: Any, **more: Any) -> ExecResult:
        if namespace == "without-istio":
            hung.append(namespace)
            await anyio.sleep_forever()
        return await run(cluster, namespace, *args, **more)

    monkeypatch.setattr(Cluster, "exec", exec_)
    async with app_on_sandbox("mixed", interval=1) as (shown, sandbox):
        board = shown.app.board
        await shown.until(lambda: len(board.aliases) == 6 and len(board.sources) == 2)
        sidecar, plain = board.sources
        await shown.until(lambda: all(len(board.samples.get((alias.service, sidecar.key), ())) > 2
                                      for alias in board.aliases))  # fmt: skip
        assert hung
        assert not [key for key in board.samples if key[1] == plain.key]
        await shown.see(f"{sidecar.pod}", "~ ")

        slowest = 0.0
        for keys in (["j"], ["k"], ["right"], ["left"], ["slash", *"my-", "enter", "escape"], ["enter", "escape"]):
            begun = time.monotonic()
            await shown.press(*keys)
            slowest = max(slowest, (time.monotonic() - begun) / len(keys))
        assert slowest < 1.0

        pay = ObjectRef("Service", "default", "pay-without-sni")
        assert board.cells[pay][sidecar.key].glyph.sign == "✗"
        sni = {"sni": "api.pay.example", "subjectAltNames": ["api.pay.example"]}
        sandbox.patch(DESTINATION_RULES, "default", pay.name, {"spec": {"trafficPolicy": {"tls": sni}}})
        await shown.until(lambda: board.cells[pay][sidecar.key].glyph.sign == "✓")
        assert plain.key in board.asking
