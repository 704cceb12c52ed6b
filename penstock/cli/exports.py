"""`penstock export`: what other tools read, derived from the topology file. Needs no broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from penstock.cli import doors, options
from penstock.cli.output import note

Verb = TypeVar("Verb", bound=Callable[..., Any])

_out = click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, not to stdout.")
_namespace = click.option("--namespace", help="Put every object there.")
_image = click.option("--image", required=True, help="The image with penstock and the app in it.")


@click.group()
def export() -> None:
    """Write what other tools read."""


@export.command("k8s")
@options.file
@_image
@_namespace
@_out
@click.pass_context
def k8s(ctx: click.Context, path: Path, image: str, namespace: str | None, out: Path | None) -> None:
    """Kubernetes: a Job that applies the topology, a Deployment for each group and connector.

    The environment of the pods comes from the Secret NAME-env, where there is one.
    """
    from penstock.deploy.export.kubernetes import manifests

    _write(_yaml(manifests(doors.of(ctx).topology(path), image, namespace)), out)


@export.command("keda")
@options.file
@click.option("--prometheus", required=True, help="URL of the Prometheus that scrapes the workers.")
@click.option(
    "--waves",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="How many times its concurrency a worker may have waiting.",
)
@_namespace
@_out
@click.pass_context
def keda(
    ctx: click.Context, path: Path, prometheus: str, waves: float, namespace: str | None, out: Path | None
) -> None:
    """KEDA: a ScaledObject for each group, on true backlog and saturation instead of lag."""
    from penstock.deploy.export.keda import scaled_objects

    _write(_yaml(scaled_objects(doors.of(ctx).topology(path), prometheus, waves, namespace)), out)


@export.command("compose")
@options.file
@_image
@_out
@click.pass_context
def compose(ctx: click.Context, path: Path, image: str, out: Path | None) -> None:
    """Compose: an apply that ends, and a service for each group; Kafka is the one you have."""
    from penstock.deploy.export.compose import compose as composed

    _write(_yaml([composed(doors.of(ctx).topology(path), image)]), out)


@export.command("asyncapi")
@options.file
@click.option("--version", "version", default="1.0.0", show_default=True, help="Of your app, not of AsyncAPI.")
@_out
@click.pass_context
def asyncapi(ctx: click.Context, path: Path, version: str, out: Path | None) -> None:
    """AsyncAPI 3.0 with Kafka bindings: topics, groups, event types and their schemas."""
    from penstock.deploy.export.asyncapi import document

    _write(_yaml([document(doors.of(ctx).topology(path), version)]), out)


@export.command("alerts")
@_out
def alerts(out: Path | None) -> None:
    """Prometheus alert rules; the workers' scrape job must be called penstock."""
    from penstock.deploy.export.alerts import rules

    _write(_yaml([rules()]), out)


@export.command("grafana")
@_out
def grafana(out: Path | None) -> None:
    """A Grafana dashboard over the workers' metrics."""
    from penstock.deploy.export.grafana import dashboard

    _write(_json(dashboard()), out)


@export.command("json-schema")
@_out
def json_schema(out: Path | None) -> None:
    """The JSON Schema of the topology file, for editors."""
    from penstock.topology.json_schema import json_schema as schema

    _write(_json(schema()), out)
    if out:
        note(f"first line for the YAML file: # yaml-language-server: $schema={out}")


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _yaml(documents: Sequence[Any]) -> str:
    import yaml

    text: str = yaml.dump_all(documents, Dumper=_plain_dumper(), sort_keys=False, allow_unicode=True, width=120)
    return text


def _plain_dumper() -> Any:
    """A dumper that writes a value twice rather than an anchor: many readers of such files know no anchors."""
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    return Plain


def _write(text: str, out: Path | None) -> None:
    if out is None:
        click.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    note(f"wrote {out}")


@export.command("acls")
@options.file
@options.output
@click.option("--worker", metavar="PRINCIPAL", help="Who runs the workers (User:app).")
@click.option("--deployer", metavar="PRINCIPAL", help="Who runs plan and apply.")
@click.option("--producer", metavar="PRINCIPAL", help="Who sends to topics that no processor writes to.")
@click.pass_context
def acls(
    ctx: click.Context, path: Path, form: str, worker: str | None, deployer: str | None, producer: str | None
) -> None:
    """The ACLs that this topology needs, and no more: as commands of Kafka's own tool, as JSON or YAML."""
    from penstock.cli.output import structured
    from penstock.deploy.export.acls import acls as listed

    asked = {"worker": worker, "deployer": deployer, "producer": producer}
    principals = {role: name for role, name in asked.items() if name} or {"worker": "User:app"}
    found = listed(doors.of(ctx).topology(path), principals)
    if form != "table":
        structured(found, form)
        return
    for acl in found:
        click.echo(f"{acl.command}  # {acl.why}")
