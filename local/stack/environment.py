"""The environment variables of the stack's processes: the one place where local differs from production."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from local.aws import MWAA_VARIABLE
from local.stack.layout import HOST, ROOT, Layout, Settings

REGION = "us-east-1"
ACCOUNT = "123456789012"
ADMIN = "admin"
MWAA_ENVIRONMENT = "idiscover-local"  # as context/local.yaml calls it
LOG_GROUP = "airflow-idiscover-local-Task"
VARIABLES_PREFIX = "airflow/variables"

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TERM", "USER", "LOGNAME", "JAVA_HOME")


def base_environment(layout: Layout, settings: Settings) -> dict[str, str]:
    """What every part gets. Nothing else of the caller's: its AWS profile or PYTHONPATH must not reach in."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = [str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]
    return {
        **kept,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)]),
        "PYTHONUNBUFFERED": "1",
        # a process that changes its title must not write over the marks by which it is found again
        "SPT_NOENV": "1",
        "TZ": "UTC",
        **client_environment(layout, settings),
    }


def client_environment(layout: Layout, settings: Settings) -> dict[str, str]:
    """What a process has to see to find the stand-ins, and to trust the certificate of those that speak TLS."""
    return {
        "AWS_ENDPOINT_URL": aws_url(settings),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "REQUESTS_CA_BUNDLE": str(layout.state("salesforce") / "tls" / "ca.pem"),
        "NO_PROXY": f"{HOST},localhost",
        "no_proxy": f"{HOST},localhost",
    }


def aws_url(settings: Settings) -> str:
    """Address of the AWS stand-in."""
    return f"http://{HOST}:{settings.ports['aws']}"


def salesforce_url(settings: Settings) -> str:
    """Address of the Salesforce simulator."""
    return f"https://localhost:{settings.ports['salesforce']}"


def tableau_url(settings: Settings) -> str:
    """Address of the Tableau server, and of its page of what was published."""
    return f"https://localhost:{settings.ports['tableau']}"


def airflow_url(settings: Settings) -> str:
    """Address of Airflow's UI and REST API."""
    return f"http://{HOST}:{settings.ports['airflow']}"


def aws_environment(layout: Layout, settings: Settings) -> dict[str, str]:
    """The AWS stand-in's: MWAA's API is answered by the stack's Airflow."""
    airflow = {
        "name": MWAA_ENVIRONMENT,
        "url": airflow_url(settings),
        "user": ADMIN,
        "password": settings.passwords["admin"],
    }
    return {**base_environment(layout, settings), MWAA_VARIABLE: json.dumps(airflow)}


def airflow_environment(layout: Layout, settings: Settings) -> dict[str, str]:
    """Airflow as MWAA sets it up, as far as a laptop has it."""
    url = airflow_url(settings)
    database = (
        f"postgresql+psycopg2://postgres:{settings.passwords['postgres']}@{HOST}:{settings.ports['postgres']}/airflow"
    )
    sections: dict[str, dict[str, str]] = {
        "core": {
            "executor": "LocalExecutor",
            # two cores: more at once only makes each slower; but up to three wait for EMR, and use nothing
            "parallelism": "8",
            "max_active_tasks_per_dag": "8",
            "dags_folder": str(layout.dags),
            "plugins_folder": str(ROOT / "plugins"),
            "load_examples": "False",
            "fernet_key": settings.keys["fernet"],
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": str(layout.airflow_home / "passwords.json"),
            "execution_api_server_url": f"{url}/execution/",
            "dags_are_paused_at_creation": "False",
            # A DAG written less than this many seconds ago is not written again (default 30): a second edit that soon
            # would stay unseen until the file's next turn, which the 3600 below put off.
            "min_serialized_dag_update_interval": "2",
        },
        "database": {"sql_alchemy_conn": database},
        "api": {
            "host": HOST,
            "port": str(settings.ports["airflow"]),
            "base_url": url,
            "secret_key": settings.keys["api"],
            "workers": "1",
        },
        "api_auth": {"jwt_secret": settings.keys["jwt"]},
        "scheduler": {
            # each look costs PostgreSQL and the scheduler a few hundredths of a second; a task waits half of this
            "scheduler_idle_sleep_time": "0.25",
            "enable_health_check": "False",
            "task_queued_timeout": "1200",
            # what a kill -9 cut short is taken up within a minute or two, not five
            "orphaned_tasks_check_interval": "60",
            "task_instance_heartbeat_timeout": "120",
        },
        "dag_processor": {
            "refresh_interval": "5",
            "min_file_process_interval": "3600",  # a changed file is parsed at once; see dag_sync
            "parsing_processes": "1",
            "print_stats_interval": "300",
        },
        "triggerer": {"capacity": "200"},
        # A worker that sees its task's pipes close before its exit looks again after this many seconds only (default
        # 5). Tasks would take that much longer, and a deferred one that is due again meanwhile would be failed by the
        # scheduler: the end of its first part comes in while its second part runs.
        "workers": {"min_heartbeat_interval": "1"},
        "logging": {
            "remote_logging": "True",
            "remote_base_log_folder": f"cloudwatch://arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{LOG_GROUP}",
            "remote_log_conn_id": "aws_default",
            "base_log_folder": str(layout.airflow_home / "logs"),
        },
        "secrets": {
            "backend": "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
            "backend_kwargs": json.dumps(
                {
                    "connections_prefix": None,
                    "variables_prefix": VARIABLES_PREFIX,
                    "config_prefix": None,
                    "variables_lookup_pattern": "^dna_",
                }
            ),
        },
        "usage_data_collection": {"enabled": "False"},
    }
    named = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": value
        for section, options in sections.items()
        for key, value in options.items()
    }
    return {
        **base_environment(layout, settings),
        **named,
        "AIRFLOW_HOME": str(layout.airflow_home),
        "AIRFLOW_CONN_AWS_DEFAULT": f"aws://?region_name={REGION}",
    }
