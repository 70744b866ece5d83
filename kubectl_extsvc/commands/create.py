"""kubectl extsvc create."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from kubectl_extsvc.commands.connecting import add_connection_flags, connection_of, with_cluster
from kubectl_extsvc.commands.exit_codes import ExitCode
from kubectl_extsvc.commands.parsing import Parser, duration, say
from kubectl_extsvc.errors import UsageError

if TYPE_CHECKING:
    from kubectl_extsvc.cluster.client import Cluster
    from kubectl_extsvc.model.plan import Plan
    from kubectl_extsvc.operations.creating import CreateWishes, Draft

DESCRIPTION = """
Create an alias: a local DNS name for an external service, with all that a mesh needs to let it through.

Without Istio that is a Service, and an EndpointSlice if it stands for addresses. With Istio it is also what makes the
proxies use the right TLS mode, which is never the mesh's own mutual TLS. Each object is labelled, owned by the Service
and deleted with it. Nothing is written on the target's host, so that direct calls and central rules stay as they are.
"""
EXAMPLES = """
# Give httpbin.org the local name my-httpbin
kubectl extsvc create --external-name httpbin.org

# Give two addresses the local name my-wikipedia; clients speak TLS themselves
kubectl extsvc create my-wikipedia --address 198.51.100.26,198.51.100.27 --host en.wikipedia.org

# Clients speak plain HTTP to port 80, sidecars add the TLS
kubectl extsvc create --external-name api.pay.example --port http:80:443

# Print the manifests and change nothing
kubectl extsvc create --external-name httpbin.org --dry-run=client -o yaml

# Wait until every proxy knows the alias, then probe it
kubectl extsvc create --external-name httpbin.org --verify
"""
USAGE = "[NAME] (--external-name HOST | --address IP,... | --host HOST --lookup) [flags]"


def add_arguments(parser: ArgumentParser) -> None:
    assert isinstance(parser, Parser)
    parser.add_argument("name", nargs="?", default="", metavar="NAME")
    parser.add_argument(
        "--external-name", default="", metavar="HOST", help="The external host; makes an ExternalName Service."
    )
    parser.add_argument(
        "--address",
        action="append",
        default=[],
        metavar="IP,...",
        help="Addresses of the external service; makes a Service with an EndpointSlice. May be repeated.",
    )
    parser.add_argument(
        "--host",
        default="",
        metavar="HOST",
        help="The host that the addresses belong to: verify asks for it, and TLS needs it.",
    )
    parser.add_boolean(
        "--lookup",
        help="Look up the addresses of --host, in a pod of the cluster if one is found. Addresses go stale: prefer --external-name.",
    )
    parser.add_argument(
        "--port",
        action="append",
        default=[],
        metavar="[NAME:]PORT[:TARGETPORT]",
        help="A port; may be repeated. Default http:80 with --external-name, else tls:443.",
    )
    parser.add_argument(
        "--tls-mode",
        default="auto",
        metavar="MODE",
        help="auto, DISABLE, SIMPLE or MUTUAL: who encrypts. auto: nobody but the client, or the sidecar where an HTTP port leads to a TLS port (http:80:443).",
    )
    parser.add_argument("--tls-sni", default="", metavar="NAME", help="SNI that the sidecar sends. Default: the host.")
    parser.add_argument(
        "--tls-subject-alt-names",
        action="append",
        default=[],
        metavar="NAME,...",
        help="Names of which the server's certificate must have one. Default: the SNI.",
    )
    parser.add_argument(
        "--tls-ca-certificates", default="", metavar="PATH", help="CA file inside istio-proxy. Default: the system's."
    )
    parser.add_argument(
        "--tls-credential-name",
        default="",
        metavar="NAME",
        help="Source of CA or client certificate, as in a DestinationRule: configmap://NAMESPACE/NAME.",
    )
    parser.add_argument(
        "--tls-client-certificate",
        default="",
        metavar="PATH",
        help="Client certificate inside istio-proxy, for MUTUAL.",
    )
    parser.add_argument("--tls-private-key", default="", metavar="PATH", help="Its key inside istio-proxy.")
    parser.add_argument("--mesh", choices=("auto", "none"), default="auto", help="none: write no Istio objects.")
    parser.add_argument(
        "--export-to",
        action="append",
        default=[],
        metavar="NAMESPACE,...",
        help="Namespaces that see the alias's mesh objects. Default: all.",
    )
    parser.add_boolean("--overwrite", help="Change an alias that exists with another intent.")
    parser.add_boolean("--adopt", help="Take over a Service of that name that kubectl extsvc did not make.")
    parser.add_argument(
        "--dry-run",
        choices=("none", "client", "server"),
        default="none",
        help="client: only print what would be written. server: ask the server without keeping anything.",
    )
    parser.add_argument(
        "-o",
        "--output",
        choices=("yaml", "json", "name"),
        default="",
        help="Output format. Manifests can be applied by others.",
    )
    parser.add_boolean("--wait", help="Wait until the name resolves and the proxies of the sources know the alias.")
    parser.add_boolean("--verify", help="Wait, then verify. The alias is kept; exit code 1 if it is judged bad.")
    parser.add_argument("--timeout", default="60s", help="Time limit of the whole command.")
    add_connection_flags(parser)


def run(args: Namespace) -> int:
    from kubectl_extsvc.operations.creating import draft_of, plan_offline

    duration(args.timeout, "--timeout")  # a bad one is said before anything is done
    wishes = create_wishes(args)
    draft = draft_of(wishes, say)
    if wishes.dry_run == "client" and args.mesh == "none" and not wishes.lookup:
        # Nothing has to be asked of a cluster.
        namespace = args.namespace or connection_of(args).namespace
        _show_plan(plan_offline(wishes, draft, namespace), args)
        return ExitCode.DONE
    return with_cluster(args, lambda cluster: _create(cluster, args, wishes, draft))


def create_wishes(args: Namespace) -> "CreateWishes":
    from kubectl_extsvc.operations.creating import CreateWishes
    from kubectl_extsvc.plans.tls import TlsWishes

    addresses = tuple(part for text in args.address for part in text.split(",") if part)
    ways = [
        flag
        for flag, given in (
            ("--external-name", args.external_name),
            ("--address", addresses),
            ("--lookup", args.lookup),
        )
        if given
    ]
    if not ways:
        raise UsageError("one of --external-name, --address or --host with --lookup is needed; nothing was changed")
    if len(ways) > 1:
        raise UsageError(f"{ways[0]} and {ways[1]} exclude each other; nothing was changed")
    if args.external_name and args.host:
        raise UsageError(
            "--host belongs to --address or --lookup; --external-name is the host itself; nothing was changed"
        )
    if args.lookup and not args.host:
        raise UsageError("--lookup needs --host; nothing was changed")
    if (args.wait or args.verify) and args.dry_run != "none":
        raise UsageError("--wait and --verify need the alias to be there: leave out --dry-run; nothing was changed")
    return CreateWishes(
        name=args.name,
        external_name=args.external_name,
        addresses=addresses,
        host=args.host,
        lookup=args.lookup,
        ports=tuple(args.port),
        tls=TlsWishes(
            mode=args.tls_mode,
            sni=args.tls_sni,
            subject_alt_names=tuple(part for text in args.tls_subject_alt_names for part in text.split(",") if part),
            ca_certificates=args.tls_ca_certificates,
            credential_name=args.tls_credential_name,
            client_certificate=args.tls_client_certificate,
            private_key=args.tls_private_key,
        ),
        mesh=args.mesh == "auto",
        export_to=tuple(args.export_to),
        overwrite=args.overwrite,
        adopt=args.adopt,
        dry_run=args.dry_run,
    )


async def _create(cluster: "Cluster", args: Namespace, wishes: "CreateWishes", draft: "Draft") -> int:
    from kubectl_extsvc.operations.creating import create
    from kubectl_extsvc.operations.deadline import deadline

    timeout = duration(args.timeout, "--timeout")
    async with deadline(timeout, "create") as left:
        created = await create(cluster, wishes, draft, say)
    _show_plan(created.plan, args)
    if args.dry_run != "none":
        return ExitCode.DONE
    # Outside the deadline's block: these know better what was still open when the time is up.
    if args.wait or args.verify:
        from kubectl_extsvc.operations.waiting import wait_until_known

        await wait_until_known(cluster, created.intent, created.mesh, left(), say)
    for line in created.how_to_call:
        say(line)
    if args.verify:
        from kubectl_extsvc.commands.verify import verify_and_show

        return await verify_and_show(cluster, args, (created.intent.name,), timeout=left())
    return ExitCode.DONE


def _show_plan(plan: "Plan", args: Namespace) -> None:
    from kubectl_extsvc.output.plan_text import change_line, manifests
    from kubectl_extsvc.plans.changes import printable

    for warning in plan.warnings:
        say(f"Warning: {warning}")
    if args.output in ("yaml", "json"):
        why = [change.why for change in plan.changes if change.wanted is not None]
        print(manifests(printable(plan), args.output, why), end="")
        return
    for change in plan.changes:
        print(change_line(change, dry_run=args.dry_run, output=args.output))
