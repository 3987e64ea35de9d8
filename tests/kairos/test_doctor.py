import errno
import json

import certifi
import duckdb
import pytest
from click.testing import CliRunner

from kairos import cli
from kairos.doctor import delivery, installation
from reverse_etl import destinations
from reverse_etl.sandbox import Sandbox
from tests.reverse_etl.proxies import ForwardProxy
from warehouse.connection import connect
from warehouse.home import PROJECT, Home
from warehouse.landing import ensure_raw

WEBHOOK = {"KAIROS_WEBHOOK_URL": "http://127.0.0.1:9/", "KAIROS_WEBHOOK_SECRET": "s3cret"}

STRAIGHT = {
    name: None
    for scheme in ("http", "https", "all", "no")
    for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper())
} | {"REQUESTS_CA_BUNDLE": None, "SSL_CERT_FILE": None}
"""Without what the machine that runs the tests has for its own network."""


@pytest.fixture
def home(tmp_path):
    return Home.from_env({"KAIROS_HOME": str(tmp_path / "home")})


@pytest.fixture
def doctor(home, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "PROJECT", tmp_path)

    def doctor(*args, **env):
        result = CliRunner().invoke(
            cli.main,
            ["doctor", "--json", *args],
            env={**STRAIGHT, "KAIROS_HOME": str(home.root), **env},
        )
        found = {check["name"]: check for check in json.loads(result.stdout)}
        return found, result.exit_code

    return doctor


def test_a_fresh_installation_works_and_says_where_to_begin(doctor):
    found, status = doctor()
    assert status == 0
    assert found["python"]["status"] == found["home"]["status"] == "ok"
    assert found["warehouse"]["status"] == "warn"
    assert "run `kairos ingest PATH`" in found["warehouse"]["message"]
    assert "kairos sandbox" in found["destinations"]["message"]


def test_a_warehouse_with_every_raw_table_is_fine(doctor, home):
    with connect(home) as connection:
        ensure_raw(connection)
    assert doctor()[0]["warehouse"]["status"] == "ok"


def test_raw_tables_of_an_older_version_are_brought_forward_and_keep_what_they_hold(doctor, home):
    with connect(home) as connection:
        ensure_raw(connection)
        connection.execute(
            "create or replace table raw.feedback as select 'f1' as feedback_id, 'shown' as kind;"
            "alter table raw.loads drop column file_sha256;"
            "drop table raw.resyncs"
        )
    found, status = doctor()
    assert (found["warehouse"]["status"], status) == ("warn", 0)
    message = found["warehouse"]["message"]
    assert "lacks raw.feedback.content_key, raw.feedback.idempotency_key" in message
    assert "raw.loads.file_sha256" in message and "raw.resyncs.destination" in message
    assert "run `kairos build`" in message

    with connect(home) as connection:
        ensure_raw(connection)
        kept = connection.execute("select feedback_id, kind, payload, loaded_at from raw.feedback")
        assert kept.fetchall() == [("f1", "shown", None, None)]
    assert doctor()[0]["warehouse"]["status"] == "ok"


def test_a_file_that_is_no_warehouse_fails_and_the_other_checks_still_run(doctor, home):
    home.ensure()
    home.warehouse.write_text("something else" * 1000)
    found, status = doctor()
    assert status == 1
    assert found["warehouse"]["status"] == "fail"
    assert found["ledger"]["status"] == "ok"


def test_a_disk_that_cannot_be_written_fails_and_the_other_checks_still_run(doctor, monkeypatch):
    def locked(*_):
        raise OSError(errno.EROFS, "Read-only file system", "warehouse.duckdb.lock")

    monkeypatch.setattr("kairos.doctor.state.holder", locked)
    found, status = doctor()
    assert status == 1
    assert found["writer"]["status"] == "fail"
    assert "Read-only file system" in found["writer"]["message"]
    assert found["ledger"]["status"] == "ok"


def test_a_home_that_others_can_look_into_is_a_warning(doctor, home):
    home.ensure().root.chmod(0o755)
    assert f"chmod 700 {home.root}" in doctor()[0]["home"]["message"]


def test_configured_destinations_are_named_and_secrets_are_not(doctor):
    found, _ = doctor(**WEBHOOK)
    assert found["webhook"]["message"].startswith("configured")
    assert "set KAIROS_APPCUES_" in found["appcues"]["message"]
    assert "destinations" not in found
    assert "s3cret" not in json.dumps(found)


def test_a_destination_that_does_not_answer_fails(doctor):
    found, status = doctor("webhook", **WEBHOOK, KAIROS_WEBHOOK_ALLOW_PRIVATE="true")
    assert (list(found), status) == (["network", "webhook", "triggers"], 1)
    assert "does not answer" in found["webhook"]["message"]


def test_proxy_and_certificates_are_named_and_no_password(doctor, tmp_path):
    found, _ = doctor()
    assert found["network"]["message"] == "without a proxy; trusts the authorities of certifi"
    proxied = {
        "HTTPS_PROXY": "http://ann:s3cret@proxy.example:3128",
        "NO_PROXY": "10.0.0.0/8,hooks.example",
        "REQUESTS_CA_BUNDLE": certifi.where(),
    }
    found, status = doctor(**proxied)
    assert status == 0
    assert found["network"]["message"] == (
        "https through the proxy http://proxy.example:3128, http without a proxy "
        "(NO_PROXY is 10.0.0.0/8,hooks.example); "
        f"trusts the authorities of REQUESTS_CA_BUNDLE, {certifi.where()}"
    )
    assert "s3cret" not in json.dumps(found)


def test_a_destination_shows_the_way_to_its_own_address(doctor):
    with ForwardProxy(
        9, answer=b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n"
    ).running() as proxy:
        env = {
            **WEBHOOK,
            "HTTP_PROXY": f"http://127.0.0.1:{proxy.port}",
            "KAIROS_WEBHOOK_URL": "http://hooks.invalid/",
            "KAIROS_WEBHOOK_ALLOW_PRIVATE": "1",
        }
        found, status = doctor("webhook", **env)
        assert found["network"]["message"].startswith("through the proxy http://127.0.0.1:")
        assert "user and password into HTTP_PROXY" in found["webhook"]["message"]
        assert status == 1
        found, _ = doctor("webhook", **{**env, "NO_PROXY": "hooks.invalid"})
        assert found["network"]["message"].startswith("without a proxy (NO_PROXY is hooks.invalid)")
    assert len(proxy.requests) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HTTPS_PROXY", "socks5://ann:s3cret@proxy.example"), ("SSL_CERT_FILE", "nowhere.pem")],
)
def test_a_variable_of_the_network_that_cannot_be_used_fails(doctor, variable, value):
    found, status = doctor(**{variable: value})
    assert (found["network"]["status"], status) == ("fail", 1)
    assert found["network"]["message"].startswith(variable)
    assert "s3cret" not in json.dumps(found)


@pytest.mark.parametrize("name", ["webhook", "nonesuch"])
def test_a_destination_that_is_not_configured_or_does_not_exist_fails(doctor, name):
    found, status = doctor(name)
    assert "network" not in found
    assert (found[name]["status"], status) == ("fail", 1)


def test_a_destination_is_asked_for_what_is_mapped_to_it(doctor):
    with Sandbox() as sandbox:
        env = {**sandbox.environment("appcues")}
        found, status = doctor("appcues", **env)
        assert status == 0
        assert list(found) == ["network", "appcues", "attributes", "audiences", "triggers"]
        assert found["audiences"]["message"] == "appcues knows needs_help, onboarding_completed"
        found, status = doctor(
            "appcues", **env, KAIROS_APPCUES_SEGMENTS="onboarding_completed=missing-1"
        )
        assert status == 1
        assert "appcues has no segment 'missing-1'" in found["audiences"]["message"]


def test_a_destination_that_refuses_us_is_asked_for_nothing_else(doctor):
    with Sandbox() as sandbox:
        env = {**sandbox.environment("appcues"), "KAIROS_APPCUES_API_KEY": "wrong"}
        found, status = doctor("appcues", **env)
        assert (found["appcues"]["status"], status) == ("fail", 1)
        assert found["audiences"]["message"].startswith("seeds/audiences.csv: ")
        assert len(sandbox.requests()) == 1


def test_the_mapping_is_looked_at_without_any_destination(doctor):
    found, _ = doctor()
    assert [found[name]["status"] for name in ("attributes", "audiences", "triggers")] == ["ok"] * 3


def test_a_package_of_another_version_is_named_with_what_is_expected(tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndependencies = ["duckdb==1.0.0", "click", "nonesuch"]\n')
    check = installation.check_packages(tmp_path)
    assert check.status == "fail"
    assert f"duckdb is {duckdb.__version__}, not ==1.0.0; nonesuch is missing" in check.message


def test_the_packages_of_this_installation_are_those_that_the_project_asks_for():
    assert installation.check_packages(PROJECT).status == "ok"


def test_a_switch_for_a_destination_that_does_not_exist_is_named_with_its_line(tmp_path):
    seed = tmp_path / "destinations.csv"
    header = "destination,unknown_policy,is_enabled\n"
    every = [f"{name},skip,true\n" for name in destinations.names()]
    seed.write_text(header + "".join(every))
    assert delivery.check_switches(seed).status == "ok"
    seed.write_text(header + every[0] + "apcues,skip,true\n")
    check = delivery.check_switches(seed)
    assert check.status == "fail"
    assert "destinations.csv, line 3: there is no destination 'apcues': choose" in check.message
