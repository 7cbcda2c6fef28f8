"""What is cheap to find out before a server loads, starts or writes anything."""

from importlib.util import find_spec

from data.errors import DataError
from data.schema import CATALOGUE_FILES
from models import ArtifactError, Registry
from models.artifact import load
from server.access.start import check_protection
from server.errors import StartError
from server.experiment.definition import read_definition
from server.model_loader import no_models
from server.rpc.listening_port import check_free
from server.settings import ServerSettings


def check_start(settings: ServerSettings) -> None:
    """Raises what would keep a server with these settings from starting, as far as that is cheap to see.

    Raises:
        StartError: When a port is taken, an extra is missing, no model is whole, or the experiment's file is
            wrong.
        DataError: When a file of the catalogue is missing.
    """
    check_free(settings.host, settings.port)
    if settings.tracing:
        _check_extra("tracing", "opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.grpc")
    if settings.health_port is not None:
        check_free(settings.health_host, settings.health_port)
    if settings.metrics_port is not None:
        check_free(settings.metrics_host, settings.metrics_port)
    check_protection(settings)
    for contract in CATALOGUE_FILES:
        if not (settings.data_directory / contract.file_name).exists():
            raise DataError(settings.data_directory / contract.file_name, None, None, "no such file")
    _check_models(Registry(settings.models), settings.default_model)
    if settings.experiment_file is not None:
        read_definition(settings.experiment_file)


def _check_extra(extra: str, *modules: str) -> None:
    """Raises a StartError unless what an optional extra brings is installed."""
    try:
        installed = all(find_spec(module) for module in modules)
    except ModuleNotFoundError:  # of a package above
        installed = False
    if not installed:
        raise StartError(f"{extra} is switched on and not installed: pip install 'playthrough[{extra}]'")


def _check_models(registry: Registry, default_model: str | None) -> None:
    """Raises a StartError unless one artifact is whole: of the default model, where one is configured.

    Takes milliseconds, as the first one mostly is whole.
    """
    problem = ""
    names = registry.names()
    for name in names if default_model is None else [default_model]:
        for version in reversed(registry.versions(name)):
            try:
                load(registry.path(name, version))
            except ArtifactError as error:
                problem = f" ({error})"
            else:
                return
    if names and default_model is not None:
        held = f"{registry.root} holds {', '.join(names)}"
        raise StartError(f"the default model {default_model!r} cannot be served: {held}{problem}")
    raise StartError(no_models(registry) + problem)
