import socket
from pathlib import Path

from fl_core.config import RunConfig, ServerConfig
from fl_core.findings import Level
from fl_core.processes import find_free_port
from fl_server.home_lock import hold_home
from fl_server.machine_checks import look_at_ports, look_at_secrets, read_configuration

ROOT = Path(__file__).parent.parent


def test_sound_configuration_is_read() -> None:
    config, finding = read_configuration(ROOT / "configs" / "demo.toml")
    assert finding.level is Level.OK
    assert config.name != RunConfig().name


def test_faulty_configuration_is_told_and_defaults_are_used(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[federation]\nround = 3\n")
    config, finding = read_configuration(tmp_path / "run.toml")
    assert finding.level is Level.FAULT
    assert "rounds" in finding.text
    assert config == RunConfig()


def test_secrets_that_others_can_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert list(look_at_secrets(path)) == []
    path.write_text("SUPABASE_KEY=sb_secret_x\n")
    path.chmod(0o644)
    (finding,) = look_at_secrets(path)
    assert (finding.level, finding.advice) == (Level.WARNING, "chmod 600 .env")
    path.chmod(0o600)
    (finding,) = look_at_secrets(path)
    assert finding.level is Level.OK


def test_port_that_is_taken_is_told_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        config = RunConfig(server=ServerConfig(fleet_port=taken, control_port=find_free_port()))
        fleet, control = look_at_ports(config, tmp_path)
    assert (fleet.level, control.level) == (Level.FAULT, Level.OK)
    assert f"127.0.0.1:{taken}" in fleet.text
    assert "fleet_port in [server]" in fleet.advice


def test_ports_of_our_own_coordinator_are_no_fault(tmp_path: Path) -> None:
    with hold_home(tmp_path):
        (finding,) = look_at_ports(RunConfig(), tmp_path)
    assert finding.level is Level.OK
