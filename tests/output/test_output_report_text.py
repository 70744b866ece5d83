"""The drawing. Whole reports are compared with golden/*.txt, which are to be read as documentation of it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kubectl_extsvc.model.alias import AddressTarget, Alias, HostTarget
from kubectl_extsvc.model.observation import Stage, StageResult, StageState
from kubectl_extsvc.model.report import Report
from kubectl_extsvc.model.snapshot import Mesh
from kubectl_extsvc.output import REPORT_FORMATS, Style
from kubectl_extsvc.output.report_text import stage_text, target_text

GOLDEN = Path(__file__).parent / "golden"
PLAIN = Style()
SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    "golden", sorted(path.name for path in GOLDEN.iterdir() if path.name.endswith((".text.txt", ".wide.txt")))
)
def test_report_is_drawn_as_in_its_golden_file(golden: str, reports: Mapping[str, Report]) -> None:
    name, form, _ = golden.split(".")
    assert REPORT_FORMATS[form](reports[name], PLAIN) == (GOLDEN / golden).read_text()


def test_there_is_a_golden_file_for_each_report(reports: Mapping[str, Report]) -> None:
    drawn = {path.name.split(".")[0] for path in GOLDEN.glob("*.text.txt")}
    assert drawn == reports.keys() - {"rich"}


@pytest.mark.parametrize("form", ["text", "wide"])
@pytest.mark.parametrize("name", ["healthy", "broken", "hostile", "several-ports", "rich"])
def test_colour_adds_nothing_but_colour(name: str, form: str, reports: Mapping[str, Report]) -> None:
    coloured = REPORT_FORMATS[form](reports[name], Style(color=True))
    assert SGR.sub("", coloured) == REPORT_FORMATS[form](reports[name], PLAIN)
    assert set(SGR.findall(coloured)) <= {f"\x1b[{code}m" for code in ("0", "2", "31", "32", "33")}


def test_failure_is_red_and_success_green(reports: Mapping[str, Report]) -> None:
    lines = REPORT_FORMATS["text"](reports["broken"], Style(color=True)).splitlines()
    assert lines[2] == "  \x1b[32m✓\x1b[0m name      my-pay.shop.svc.cluster.local, 2nd of 4 search tries"
    assert lines[6].startswith("  \x1b[31m✗\x1b[0m tls       XS0403 ")
    assert lines[-1] == "\x1b[31m1 error\x1b[0m · 14 passed · 2 skipped (list networkpolicies) · 1.1 s"


@pytest.mark.parametrize("form", ["text", "wide"])
def test_hostile_text_cannot_move_the_cursor_or_begin_a_line(form: str, reports: Mapping[str, Report]) -> None:
    text = REPORT_FORMATS[form](reports["hostile"], PLAIN)
    assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text) == []
    assert [line for line in text.splitlines() if line.lstrip().startswith("FAKE")] == []
    assert max(len(line) for line in text.splitlines()) < 4000


def test_ascii_has_words_for_signs_and_nothing_beyond_ascii(reports: Mapping[str, Report]) -> None:
    assert REPORT_FORMATS["text"](reports["several-ports"], Style(ascii=True)) == (
        "my-wikipedia.default -> 203.0.113.7,203.0.113.8,[2001:db8::7] (+1 more):443,80     Endpoints | Istio 1.31\n"
        "  from  curl-6cdbf6bc6b-4lhkw (sidecar)   cron-55 (plain)\n"
        "  port  tls 443, as TLS\n"
        "  OK   name      curl      10.96.4.7\n"
        "  WAIT           cron-55   PENDING (created 3 s ago)\n"
        "  OK   dns       curl      200\n"
        "  -              cron-55   not reached\n"
        "  OK   endpoints curl      200\n"
        "  -              cron-55   not reached\n"
        "  OK   route     outbound|443||my-wikipedia  EDS 2/2    curl only\n"
        "  OK   tls       ISTIO_MUTUAL                           curl only\n"
        "  OK   http      curl      200\n"
        "  -              cron-55   not reached\n"
        "  port  80, as Auto\n"
        "  OK   name      curl      10.96.4.7\n"
        "  WAIT           cron-55   PENDING (created 3 s ago)\n"
        "  OK   dns       curl      200\n"
        "  -              cron-55   not reached\n"
        "  OK   endpoints curl      200\n"
        "  -              cron-55   not reached\n"
        "  OK   route     outbound|443||my-wikipedia  EDS 2/2    curl only\n"
        "  OK   tls       ISTIO_MUTUAL                           curl only\n"
        "  OK   http      curl      200\n"
        "  -              cron-55   not reached\n"
        "  WARN route     XS0304 warning: destinationrule/wiki of namespace other is not visible here\n"
        "                 evidence  exportTo: [.]\n"
        "  INFO endpoints XS0210 info: two families\n"
        "  DIFF name      the first stage at which the sources differ\n"
        "1 warning | 1 info | 3 passed | 2.5 s\n"
    )


@pytest.mark.parametrize("form", ["text", "wide"])
@pytest.mark.parametrize("name", ["hostile", "rich", "no-sources"])
def test_ascii_is_ascii(name: str, form: str, reports: Mapping[str, Report]) -> None:
    assert REPORT_FORMATS[form](reports[name], Style(ascii=True)).isascii()


def test_headings_fold_in_a_narrow_terminal_and_evidence_does_not(reports: Mapping[str, Report]) -> None:
    lines = REPORT_FORMATS["text"](reports["healthy"], Style(width=80)).splitlines()
    assert lines[:5] == [
        "my-httpbin.default → httpbin.org:80",
        "  ExternalName · DISABLE by destinationrule/my-httpbin · Istio 1.31",
        "  from  curl-6cdbf6bc6b-4lhkw (sidecar)",
        "        curl-5b549b49b8-zx9qd.without-istio (plain)",
        "  ✓ name      my-httpbin.default.svc.cluster.local",
    ]
    broken = REPORT_FORMATS["text"](reports["broken"], Style(width=80)).splitlines()
    assert max(len(line) for line in broken) > 80
    assert [line.split("     ") for line in broken[:1]] == [["my-pay.shop → api.pay.example:443"]]


def test_stages_alike_for_some_sources_share_a_row(reports: Mapping[str, Report]) -> None:
    healthy = reports["healthy"].aliases[0]
    web, cron = healthy.sources
    failed = replace(cron, stages=(*cron.stages[:5], StageResult(Stage.HTTP, StageState.FAILED, "503 UH")))
    other = replace(
        web, observation=replace(web.observation, source=replace(web.observation.source, pod="a", namespace="shop"))
    )
    report = Report((replace(healthy, sources=(web, other, failed)),), reports["healthy"].mesh, 0.1)
    assert REPORT_FORMATS["text"](report, PLAIN).splitlines()[1:-1] == [
        "  from  curl-6cdbf6bc6b-4lhkw (sidecar)   a.shop (sidecar)   curl-5b549b49b8-zx9qd.without-istio (plain)",
        "  ✓ name      my-httpbin.default.svc.cluster.local",
        "  ✓ dns       203.0.113.10 (CNAME httpbin.org)",
        "  ✓ endpoints 203.0.113.10:80",
        "  ✓ route     outbound|80||my-httpbin.default.extsvc.internal  STRICT_DNS 1/1    curl.default, a.shop only",
        "  ✓ tls       DISABLE                                                            curl.default, a.shop only",
        "  ✓ http      curl.default, a.shop   200",
        "  ✗           curl.without-istio     503 UH",
    ]


def test_sources_that_differ_by_time_only_share_a_row(reports: Mapping[str, Report]) -> None:
    healthy = reports["healthy"].aliases[0]
    sources = tuple(
        replace(source, stages=(*source.stages[:5], StageResult(Stage.HTTP, StageState.OK, f"200, {time}")))
        for source, time in zip(healthy.sources, ("14 ms", "1.2 s"), strict=True)
    )
    report = Report((replace(healthy, sources=sources),), reports["healthy"].mesh, 0.1)
    assert REPORT_FORMATS["text"](report, PLAIN).splitlines()[-2] == "  ✓ http      200, 14 ms / 1.2 s"


def test_finding_takes_the_place_of_a_failure_without_words(reports: Mapping[str, Report]) -> None:
    broken = reports["broken"].aliases[0]
    report = Report((replace(broken, sources=broken.sources[::-1]),), reports["broken"].mesh, 0.1)
    assert [line[:22] for line in REPORT_FORMATS["text"](report, PLAIN).splitlines()[5:8]] == [
        "  ✓ route     outbound",
        "  ✗ tls       XS0403 E",
        "              evidence",
    ]


def test_word_for_a_state_is_said_once() -> None:
    assert [
        stage_text(StageResult(Stage.HTTP, state, text))
        for state, text in (
            (StageState.OK, ""),
            (StageState.OK, "200"),
            (StageState.FAILED, ""),
            (StageState.FAILED, "503"),
            (StageState.PENDING, "3 s old"),
            (StageState.NOT_SERVED, ""),
            (StageState.NOT_SERVED, "not served: no sidecar"),
            (StageState.NOT_REACHED, "dns failed"),
            (StageState.NOT_OBSERVED, "no exec"),
            (StageState.NOT_APPLICABLE, "no sidecar"),
        )
    ] == [
        "ok",
        "200",
        "failed",
        "503",
        "PENDING (3 s old)",
        "NOT SERVED",
        "not served: no sidecar",
        "not reached (dns failed)",
        "not observed (no exec)",
        "not applicable (no sidecar)",
    ]


def test_target_is_the_host_if_known_else_the_first_addresses() -> None:
    def target(of: HostTarget | AddressTarget) -> str:
        return target_text(Alias("shop", "x", of, ()))

    assert [
        target(HostTarget("httpbin.org")),
        target(AddressTarget(("203.0.113.7",), "en.wikipedia.org")),
        target(AddressTarget(("203.0.113.7", "2001:db8::7"))),
        target(AddressTarget(("203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5"))),
    ] == [
        "httpbin.org",
        "en.wikipedia.org",
        "203.0.113.7,[2001:db8::7]",
        "203.0.113.1,203.0.113.2,203.0.113.3 (+2 more)",
    ]


def test_report_without_aliases_is_its_numbers() -> None:
    assert REPORT_FORMATS["text"](Report((), Mesh(installed=False), 0.1), PLAIN) == "0 passed · 0.1 s\n"
