"""Settings: where they come from, which wins, and what is said about those that cannot be used."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hyphad import config
from hyphad.config import ConfigError, Settings, is_plainly_right, load, nearest
from hyphad.options import IGNORED, OPTIONS, sample_file, schema

SAMPLE = Path(__file__).parent.parent / "conf" / "hyphad.toml"
GOOD_TOKEN = "Zk9vQ2xYw7RfT1uLm4NpS8aHbJcEdGiK"
SECRETS = [key for key, option in OPTIONS.items() if option.secret]


@pytest.fixture(autouse=True)
def no_system_file(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "SYSTEM_FILE", tmp_path / "none.toml")


@pytest.fixture
def toml(tmp_path):
    """Writes a configuration file and gives its path."""

    def write(text: str) -> Path:
        file = tmp_path / "hyphad.toml"
        file.write_text(text)
        return file

    return write


def refused(flags: dict[str, Any] | None = None, environ=None, file: Path | None = None) -> str:
    """The text of the refusal, which must come with exit code 2."""
    with pytest.raises(ConfigError) as caught:
        load(flags or {}, environ or {}, file)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_values_that_are_nested_absurdly_are_refused(toml):
    text = refused(file=toml("log_level = " + "[" * 5000))
    assert "not valid TOML" in text


# the table


def test_settings_has_a_field_for_every_option_and_no_other():
    fields = {field.name for field in dataclasses.fields(Settings)}
    assert fields - {"sources", "ignored"} == set(OPTIONS)


def test_every_default_is_what_the_schema_allows():
    defaults = {key: o.default for key, o in OPTIONS.items() if o.default is not None}
    Draft202012Validator.check_schema(schema())
    assert list(Draft202012Validator(schema()).iter_errors(defaults)) == []


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 1 << 40),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(["/a:b", "/hub", "info", "closed", "https://example.org", "127.0.0.1", "m:f"]),
    st.lists(st.one_of(st.text(max_size=4), st.just("/a:b"), st.integers()), max_size=3),
)


@given(key=st.sampled_from(sorted(OPTIONS)), value=ANYTHING)
@settings(max_examples=200)
def test_what_is_plainly_right_is_right_by_the_schema(key, value):
    if is_plainly_right(value, OPTIONS[key].schema):
        assert Draft202012Validator(OPTIONS[key].schema).is_valid(value)


def test_every_default_is_plainly_right():
    defaults = {key: o.default for key, o in OPTIONS.items() if o.default is not None}
    assert [
        key for key, v in defaults.items() if not is_plainly_right(v, OPTIONS[key].schema)
    ] == []


def test_the_fields_have_the_types_of_the_schema():
    types = {
        "integer": "int",
        "number": "float",
        "boolean": "bool",
        "string": "str",
        "array": "list[str]",
    }
    for field in dataclasses.fields(Settings):
        if field.name in OPTIONS and field.name != "data_dir":
            option = OPTIONS[field.name]
            name = types[option.schema["type"]]
            assert str(getattr(field.type, "__name__", field.type)).removesuffix(" | None") in (
                name,
                name.removesuffix("[str]"),
            ), field.name
            assert ("None" in str(field.type)) == (option.default is None), field.name


def test_the_sample_file_is_the_table():
    assert SAMPLE.read_text() == sample_file()


def test_the_sample_file_shows_every_key_with_its_default():
    text = re.sub(r"^#(?=[a-z_0-9]+ = )", "", SAMPLE.read_text(), flags=re.MULTILINE)
    shown = tomllib.loads(text)
    assert shown == {key: "" if o.default is None else o.default for key, o in OPTIONS.items()}


def test_the_sample_file_works_as_it_is_and_with_every_line_uncommented(toml):
    plain = load({"data_dir": "/d"}, {}, SAMPLE)
    file = toml(re.sub(r"^#(?=[a-z_0-9]+ = )", "", SAMPLE.read_text(), flags=re.MULTILINE))
    every = load({"data_dir": "/d"}, {}, file)
    for key in OPTIONS:
        assert getattr(plain, key) == getattr(every, key), key
    assert every.sources["port"] == str(file)
    assert plain.sources["port"] == "default"


def test_no_variable_stands_for_two_options():
    names = [name for option in OPTIONS.values() for name in option.variables]
    assert len(names) == len(set(names))


def test_no_option_is_both_used_and_ignored():
    assert not IGNORED & {key.replace("_", "-") for key in OPTIONS}


# precedence


def test_flag_over_environment_over_credential_over_file_over_default(toml, tmp_path):
    file = toml('root_token = "f%s"' % GOOD_TOKEN)  # noqa: UP031
    (tmp_path / "root_token").write_text(f"c{GOOD_TOKEN}\n")
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    environ = {**credentials, "HYPHAD_ROOT_TOKEN": f"e{GOOD_TOKEN}"}
    flags = {"root_token": f"a{GOOD_TOKEN}"}
    assert load({}, {}).root_token is None
    found = [
        load({}, {}, file),
        load({}, credentials, file),
        load({}, environ, file),
        load(flags, environ, file),
    ]
    assert [(settings.root_token or "")[0] for settings in found] == ["f", "c", "e", "a"]
    assert [settings.sources["root_token"] for settings in found] == [
        str(file),
        f"credential {tmp_path / 'root_token'}",
        "environment variable HYPHAD_ROOT_TOKEN",
        "flag --root-token",
    ]


@pytest.mark.parametrize("key", list(OPTIONS))
def test_every_option_can_be_set_by_flag_environment_and_file(key, toml, tmp_path):
    option = OPTIONS[key]
    (tmp_path / "kept").write_text(GOOD_TOKEN)
    text = {
        "public_base_url": "https://lab.example",
        "base_path": "/hub",
        "static_mounts": "/a:b",
        "startup_functions": "a.py:f",
        "server_id": "one",
        "trusted_proxies": "10.0.0.0/8",
        "root_token": GOOD_TOKEN,
        "root_token_file": str(tmp_path / "kept"),
        "env_file": str(tmp_path / "kept"),
        "mcp_servers": '{"name": "tools", "url": "http://lab.example/mcp"}',
    }.get(key)
    kind = option.schema["type"]
    if text is None:
        choices = option.schema.get("enum", [None])
        text = {"boolean": str(not option.default), "string": "x", "array": "x"}.get(kind, "2048")
        text = choices[-1] or text
    extra = {
        "tls_cert": {"tls_key": "k"},
        "tls_key": {"tls_cert": "c"},
        "http_redirect_port": {"tls_cert": "c", "tls_key": "k"},
    }.get(key, {})
    literal = text.lower() if kind in ("boolean", "integer", "number") else f'"{text}"'
    if key == "mcp_servers":
        literal = '{name = "tools", url = "http://lab.example/mcp"}'
    literal = f"[{literal}]" if kind == "array" else literal
    by_flag = load({key: [text] if kind == "array" else text, **extra}, {})
    by_variable = load(extra, {f"HYPHAD_{key.upper()}": text})
    by_file = load(extra, {}, toml(f"{key} = {literal}"))
    values = [getattr(settings, key) for settings in (by_flag, by_variable, by_file)]
    assert values[0] == values[1] == values[2] != option.default
    assert by_flag.sources[key] == f"flag {option.flag}"
    assert by_variable.sources[key] == f"environment variable HYPHAD_{key.upper()}"


@pytest.mark.parametrize(
    ("variable", "key", "text", "value"),
    [
        ("HYPHA_PORT", "port", "9000", 9000),
        ("HYPHA_LOGLEVEL", "log_level", "WARNING", "warning"),
        ("HYPHA_LOGLEVEL", "log_level", "CRITICAL", "error"),
        ("HYPHA_ACCESS_LOG", "access_log", "true", True),
        ("HYPHA_JWT_SECRET", "jwt_secret", "s", "s"),
        ("JWT_SECRET", "jwt_secret", "s", "s"),
        ("AUTH0_ISSUER", "jwt_issuer", "https://i/", "https://i/"),
        ("AUTH0_AUDIENCE", "jwt_audience", "https://a/", "https://a/"),
        ("AUTH0_NAMESPACE", "jwt_namespace", "https://n/", "https://n/"),
        ("MAXIMUM_LOGIN_TIME", "login_session_seconds", "60", 60),
        ("RECONNECTION_TOKEN_LIFE_TIME", "reconnection_token_lifetime", "60", 60),
        ("HYPHA_WORKSPACE_UNLOAD_GRACE_PERIOD", "workspace_grace", "0.5", 0.5),
        ("HYPHA_WS_IDLE_TIMEOUT", "ws_idle_timeout", "5", 5),
        ("HYPHA_STATIC_MOUNTS", "static_mounts", "/a:./x,y /b:./y", ["/a:./x,y", "/b:./y"]),
        ("HYPHA_ALLOW_ORIGINS", "allow_origins", "http://a, http://b", ["http://a", "http://b"]),
        ("HYPHA_ENABLE_MCP", "enable_mcp", "off", False),
    ],
)
def test_names_of_the_reference_server_are_known(variable, key, text, value):
    settings = load({}, {variable: text})
    assert getattr(settings, key) == value
    assert settings.sources[key] == f"environment variable {variable}"
    assert settings.ignored == ()


def test_our_own_name_wins_over_an_alias():
    environ = {"JWT_SECRET": "c", "HYPHA_JWT_SECRET": "b", "HYPHAD_JWT_SECRET": "a"}
    assert load({}, environ).jwt_secret == "a"
    del environ["HYPHAD_JWT_SECRET"]
    assert load({}, environ).jwt_secret == "b"


def test_an_empty_variable_is_not_set():
    assert load({}, {"HYPHAD_PORT": "", "HYPHA_PORT": "9000"}).port == 9000


def test_the_system_file_is_read_if_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "SYSTEM_FILE", tmp_path / "system.toml")
    assert load({}, {}).port == 9527
    (tmp_path / "system.toml").write_text("port = 9001")
    assert load({}, {}).port == 9001


def test_a_named_file_replaces_the_system_file(tmp_path, toml, monkeypatch):
    monkeypatch.setattr(config, "SYSTEM_FILE", tmp_path / "system.toml")
    (tmp_path / "system.toml").write_text('port = 9001\nhost = "::1"')
    settings = load({}, {}, toml("port = 9002"))
    assert (settings.port, settings.host) == (9002, "127.0.0.1")


# D-27: .env files


def test_an_env_file_is_read_only_when_it_is_named(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("HYPHAD_PORT=9001\n")
    monkeypatch.chdir(tmp_path)
    assert load({}, {}).port == 9527
    assert load({"env_file": ".env"}, {}).port == 9001


@pytest.mark.parametrize("way", ["flag", "variable", "file"])
def test_an_env_file_can_be_named_by_flag_variable_and_file(way, tmp_path, toml):
    env = tmp_path / "env"
    env.write_text("# a comment\n\nexport JWT_SECRET='abc'\nHYPHA_PORT = \"9001\"\nnonsense\n")
    settings = {
        "flag": lambda: load({"env_file": str(env)}, {}),
        "variable": lambda: load({}, {"HYPHAD_ENV_FILE": str(env)}),
        "file": lambda: load({}, {}, toml(f'env_file = "{env}"')),
    }[way]()
    assert (settings.port, settings.jwt_secret) == (9001, "abc")
    assert settings.sources["jwt_secret"] == f"{env}: JWT_SECRET"


def test_an_env_file_never_overrides_a_variable(tmp_path):
    env = tmp_path / "env"
    env.write_text("HYPHAD_PORT=9001\nHYPHAD_HOST=::1\n")
    settings = load({"env_file": str(env)}, {"HYPHA_PORT": "9002"})
    assert (settings.port, settings.host) == (9002, "::1")


def test_a_bad_value_in_an_env_file_is_placed(tmp_path):
    env = tmp_path / "env"
    env.write_text("HYPHAD_PORT=many\n")
    assert refused({"env_file": str(env)}).startswith(f"{env}: HYPHAD_PORT: port = 'many': ")


def test_an_env_file_that_is_missing_is_refused(tmp_path):
    name = str(tmp_path / "no")
    assert refused({"env_file": name}) == (
        f"env_file {name}: cannot be read: No such file or directory"
    )


# what is refused


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("port", "many", "a whole number from 0 to 65535"),
        ("port", "65536", "a whole number from 0 to 65535"),
        ("port", "-1", "a whole number from 0 to 65535"),
        ("port", "80.5", "a whole number from 0 to 65535"),
        ("max_clients_per_workspace", "-2", "a whole number of at least 0"),
        ("max_frame_bytes", "10", "a whole number of at least 1024"),
        ("ws_idle_timeout", "soon", "a number of at least 0"),
        ("ws_idle_timeout", "nan", "a number of at least 0"),
        ("ws_idle_timeout", "inf", "a number of at least 0"),
        ("ws_idle_timeout", "-1", "a number of at least 0"),
        ("access_log", "maybe", "true or false"),
        ("log_level", "chatty", "one of debug, info, warning, error"),
        ("log_format", "xml", "one of text, json"),
        ("anonymous_access", "some", "one of full, http-only, off"),
        ("signup", "maybe", "one of closed, invite, approve, open"),
        ("public_base_url", "lab.example", "an http:// or https:// URL"),
        ("public_base_url", "ftp://lab.example", "an http:// or https:// URL"),
        ("public_base_url", "http://", "an http:// or https:// URL"),
        ("public_base_url", "http://a b", "an http:// or https:// URL"),
        ("base_path", "hub", "a path such as / or /hub"),
        ("base_path", "/a/../b", "a path such as / or /hub"),
        ("base_path", "/a?b", "a path such as / or /hub"),
        ("server_id", "my server", "1 to 64 letters, digits, - or _"),
        ("static_mounts", "docs:./docs", "a list of /name:folder"),
        ("trusted_proxies", "proxy", "a list of IP addresses or networks like 10.0.0.0/8"),
        ("trusted_proxies", "10.0.0.0/99", "a list of IP addresses or networks like 10.0.0.0/8"),
        ("startup_functions", "start.py", "a list of FILE.py:FUNCTION or MODULE:FUNCTION"),
    ],
)
def test_a_bad_value_is_named_with_its_place_and_what_is_allowed(key, text, words, toml):
    shown = [text] if OPTIONS[key].schema["type"] == "array" else text
    variable = f"HYPHAD_{key.upper()}"
    said = refused(environ={variable: text})
    assert said.startswith(f"environment variable {variable}: {key} = ")
    assert said.endswith(f": must be {words}")
    given = [text] if isinstance(shown, list) else text
    assert refused({key: given}).startswith(f"flag {OPTIONS[key].flag}: {key} = ")
    if OPTIONS[key].schema["type"] in ("string", "array"):
        file = toml(f"{key} = {shown!r}")
        assert refused(file=file) == f"{file}: {key} = {shown!r}: must be {words}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('port = "9000"', "port = '9000': must be a whole number from 0 to 65535"),
        ("port = true", "port = True: must be a whole number from 0 to 65535"),
        ("port = 80.5", "port = 80.5: must be a whole number from 0 to 65535"),
        ("ws_idle_timeout = nan", "ws_idle_timeout = nan: must be a number of at least 0"),
        ("access_log = 1", "access_log = 1: must be true or false"),
        ('allow_origins = "*"', "allow_origins = '*': must be a list of texts that are not empty"),
        ("allow_origins = [1]", "allow_origins = [1]: must be a list of texts that are not empty"),
        ('host = ""', "host = '': must be a text that is not empty"),
        ('log-level = "info"', "unknown key 'log-level'; did you mean 'log_level'?"),
        ("prot = 1", "unknown key 'prot'; did you mean 'port'?"),
        ("zzzzzz = 1", "unknown key 'zzzzzz'"),
        ("[hyphad]\nport = 1", "[hyphad]: keys stand at the top of the file, in no [table]"),
    ],
)
def test_a_bad_line_of_the_file_is_named(line, said, toml):
    file = toml(line)
    assert refused(file=file) == f"{file}: {said}"


def test_a_file_that_is_not_toml_is_refused_with_the_line(toml):
    file = toml("port = 1\nhost = \n")
    said = refused(file=file)
    assert said.startswith(f"{file}: not valid TOML: ")
    assert "line 2" in said


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    missing, folder, binary = tmp_path / "no.toml", tmp_path / "folder", tmp_path / "binary.toml"
    folder.mkdir()
    binary.write_bytes(b"\xff\xfe")
    for file, reason in [
        (missing, "No such file or directory"),
        (folder, "Is a directory"),
        (binary, "not UTF-8 text"),
    ]:
        assert refused(file=file) == f"configuration file {file}: cannot be read: {reason}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("argument", ["None", "config.SYSTEM_FILE"])
def test_a_file_that_this_user_may_not_read_is_refused(argument, tmp_path):
    file = tmp_path / "closed" / "hyphad.toml"
    file.parent.mkdir(mode=0o700)
    file.write_text("port = 1")
    script = f"""
import os, pathlib
from hyphad import config
config.SYSTEM_FILE = pathlib.Path({str(file)!r})
os.setuid(65534)
try:
    config.load({{}}, {{}}, {argument})
except config.ConfigError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"configuration file {file}: cannot be read: Permission denied"


def test_a_long_value_is_shown_in_part():
    assert len(refused({"port": "9" * 10_000})) < 300


def test_https_needs_certificate_and_key():
    assert refused({"tls_cert": "c.pem"}) == (
        "flag --tls-cert: tls_cert is set; https needs tls_key as well"
    )
    assert refused(environ={"HYPHAD_TLS_KEY": "k.pem"}).endswith("https needs tls_cert as well")
    assert refused({"http_redirect_port": "80"}).endswith("which needs tls_cert")


def test_the_nearest_name_is_offered_and_no_far_one():
    assert nearest("max_queue_byte", OPTIONS) == "; did you mean 'max_queue_bytes'?"
    assert nearest("qqqqqq", OPTIONS) == ""


# the forms of values


@pytest.mark.parametrize(
    ("given", "kept"),
    [("/", ""), ("/hub", "/hub"), ("/hub/", "/hub"), ("//a//b//", "/a/b"), ("/a.b/~c", "/a.b/~c")],
)
def test_the_base_path_is_normal(given, kept):
    assert load({"base_path": given}, {}).base_path == kept


def test_the_public_url_ends_without_a_slash():
    assert load({"public_base_url": "https://a.b/c//"}, {}).public_base_url == "https://a.b/c"


@pytest.mark.parametrize("text", ["true", "1", "YES", "y", "On"])
def test_yes(text):
    assert load({}, {"HYPHAD_ACCESS_LOG": text}).access_log is True


@pytest.mark.parametrize("text", ["false", "0", "No", "n", "OFF"])
def test_no(text):
    assert load({}, {"HYPHAD_ENABLE_MCP": text}).enable_mcp is False


def test_whole_numbers_stay_whole_and_fractions_may_be_short(toml):
    settings = load({}, {}, toml("port = 80.0\nworkspace_grace = 2.0\nreconnect_grace = 0.5"))
    assert (settings.port, settings.workspace_grace, settings.reconnect_grace) == (80, 2, 0.5)
    assert isinstance(settings.port, int)


def test_lists_of_flags_part_at_commas_and_spaces_but_paths_do_not():
    settings = load(
        {
            "allow_origins": ["http://a,http://b", "http://c http://d"],
            "static_mounts": ["/a:my folder", "/b:x,y"],
        },
        {},
    )
    assert settings.allow_origins == ["http://a", "http://b", "http://c", "http://d"]
    assert settings.static_mounts == ["/a:my folder", "/b:x,y"]


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "10.1.2.3/8", "fd00::/8"])
def test_proxies_are_addresses_or_networks(name):  # AUTH-107
    assert load({"trusted_proxies": [name]}, {}).trusted_proxies == [name]


def test_lists_belong_to_one_settings_object():
    load({}, {}).allow_origins.append("http://evil")
    assert load({}, {}).allow_origins == ["*"]


def test_settings_are_frozen():
    settings = load({}, {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.sources["port"] = "me"  # type: ignore[index]


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/hyphad:/x", "HOME": "/home/a"}, "/var/lib/hyphad"),
        ({"XDG_DATA_HOME": "/data", "HOME": "/home/a"}, "/data/hyphad"),
        ({"HOME": "/home/a"}, "/home/a/.local/share/hyphad"),
        ({"HYPHAD_DATA_DIR": "/mine", "STATE_DIRECTORY": "/var/lib/hyphad"}, "/mine"),
    ],
)
def test_the_data_directory_has_a_place_of_its_own(environ, folder):
    assert load({}, environ).data_dir == Path(folder)


# secrets


@pytest.mark.parametrize("key", SECRETS)
def test_a_secret_shows_nowhere(key, toml):
    secret = "Qx7" + GOOD_TOKEN
    server = {"name": "tools", "url": "http://lab.example", "headers": {"Authorization": secret}}
    given, kept = (json.dumps(server), [server]) if key == "mcp_servers" else (secret, secret)
    settings = load({key: given}, {})
    assert getattr(settings, key) == kept
    assert secret not in repr(settings)
    assert secret not in repr(settings.sources)


@pytest.mark.parametrize("key", SECRETS)
def test_a_bad_secret_is_not_quoted(key, toml):
    said = refused(file=toml(f"{key} = [4711]"))
    assert "4711" not in said
    assert f"{key} = (hidden)" in said


@pytest.mark.parametrize(
    "token", ["", "short", "x" * 31, f"  {'y' * 31}\n", "a-secret-that-is-quite-long-isn't-it"]
)
def test_a_weak_root_token_ends_the_start_with_exit_code_3(token, tmp_path):  # AUTH-54, AUTH-142
    file = tmp_path / "token"
    file.write_text(token)
    with pytest.raises(ConfigError) as caught:
        load({"root_token_file": str(file)}, {})
    assert caught.value.exit_code == 3
    assert not token.strip() or token.strip() not in str(caught.value)


def test_the_texts_about_weak_root_tokens():  # AUTH-54
    with pytest.raises(ConfigError) as caught:
        load({"root_token": "short"}, {})
    assert str(caught.value) == (
        "Root token must be at least 32 characters long for security. Use a strong, randomly "
        "generated token like: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
    )
    with pytest.raises(ConfigError, match=r"^Root token appears to be too simple") as caught:
        load({"root_token": "My-Token-" + "x" * 40}, {})
    assert "(contains 'token')." in str(caught.value)


def test_a_long_root_token_may_contain_a_word():  # AUTH-54
    token = "token" + "x" * 59
    assert load({"root_token": token}, {}).root_token == token


def test_whitespace_around_the_root_token_does_not_count(tmp_path):  # AUTH-54
    file = tmp_path / "token"
    file.write_text(f"\n  {GOOD_TOKEN} \n")
    settings = load({"root_token_file": str(file)}, {})
    assert settings.root_token == GOOD_TOKEN
    assert settings.sources["root_token"] == "flag --root-token-file"
    assert load({"root_token": f" {GOOD_TOKEN} "}, {}).root_token == GOOD_TOKEN


def test_two_root_tokens_are_one_too_many(tmp_path):
    (tmp_path / "token").write_text(GOOD_TOKEN)
    flags = {"root_token": GOOD_TOKEN, "root_token_file": str(tmp_path / "token")}
    said = refused(flags)
    assert "keep one of them" in said
    assert GOOD_TOKEN not in said


def test_a_root_token_file_that_is_missing_is_refused(tmp_path):
    name = str(tmp_path / "no")
    assert refused({"root_token_file": name}) == (
        f"root_token_file {name}: cannot be read: No such file or directory"
    )


# what the reference server knows and hyphad does not need (HTTP-94)


@pytest.mark.parametrize("name", sorted(IGNORED))
def test_useless_options_of_the_reference_are_accepted_with_one_line(name, toml):
    key = name.replace("-", "_")
    file = toml(f"{key} = 'sesame'")
    by_file, by_variable = load({}, {}, file), load({}, {f"HYPHA_{key.upper()}": "sesame"})
    assert len(by_file.ignored) == len(by_variable.ignored) == 1
    assert by_file.ignored[0].startswith(f"{file}: {key}: ignored, ")
    assert by_variable.ignored[0].startswith(f"environment variable HYPHA_{key.upper()}: ignored, ")
    assert "sesame" not in by_file.ignored[0] + by_variable.ignored[0]


def test_a_misspelt_variable_of_ours_is_named_and_others_are_not():
    environ = {"HYPHAD_PROT": "1", "HYPHA_SERVER_URL": "http://a", "HYPHA_ENABLE_S3": "false"}
    assert load({}, environ).ignored == (
        "environment variable HYPHAD_PROT: unknown; did you mean 'HYPHAD_PORT'?",
    )


def test_lines_of_the_command_line_are_kept():
    assert load({}, {}, None, ["flag --x: ignored"]).ignored == ("flag --x: ignored",)


# start-up time


def test_the_schema_library_is_loaded_only_for_a_value_that_is_not_plainly_right():
    script = (
        "import sys; from pathlib import Path; from hyphad import config\n"
        "config.SYSTEM_FILE = Path('/none')\n"
        "config.load({}, {'HOME': '/'}); assert 'jsonschema' not in sys.modules\n"
        "config.load({'port': '1'}, {'HOME': '/'}); assert 'jsonschema' not in sys.modules\n"
        "try: config.load({'port': '-1'}, {'HOME': '/'})\n"
        "except config.ConfigError: assert 'jsonschema' in sys.modules\n"
        "else: raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
